/** What nobody could use, or RabbitMQ has given up. */
import type { GetMessage } from 'amqplib';
import { reasonHeader } from './consumption.js';
import { closeQuietly, isRefusal, type Link } from './link.js';
import type { Topology } from './topology.js';

export interface DeadLetter {
  /** Empty where the message has none. */
  readonly messageId: string;
  readonly body: string;
  /** Ours, or in RabbitMQ's word: `rejected`, `delivery_limit`, `expired` or `maxlen`. */
  readonly reason: string | undefined;
}

/** Those that stay are given back at the end, by the close of the channel, so that none is met twice in one call. */
export async function drainDeadLetters(params: {
  link: Link;
  topology: Topology;
  limit: number;
  handle(message: DeadLetter): Promise<boolean>;
}): Promise<number> {
  const { link, topology, limit } = params;
  await topology.ensure(topology.dead);
  const channel = await link.channel();
  let done = 0;
  try {
    for (let taken = 0; taken < limit; taken += 1) {
      const message = await link.answer(channel.get(topology.dead));
      if (!message) break;
      if (!(await params.handle(letterOf(message)))) continue;
      try {
        channel.ack(message);
      } catch (error) {
        throw link.away(error);
      }
      done += 1;
    }
    return done;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    topology.forget(topology.dead);
    throw link.away(error);
  } finally {
    await closeQuietly(channel);
  }
}

function letterOf({ content, properties }: GetMessage): DeadLetter {
  const id: unknown = properties.messageId;
  const reason: unknown = properties.headers?.[reasonHeader] ?? properties.headers?.['x-first-death-reason'];
  return {
    messageId: typeof id === 'string' ? id : '',
    body: content.toString(),
    reason: typeof reason === 'string' ? reason : undefined,
  };
}
