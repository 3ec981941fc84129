/** What nobody could use, or RabbitMQ has given up. */
import type { GetMessage } from 'amqplib';
import { closeQuietly, isRefusal, type Link } from '../../../amqp/link.js';
import { reasonHeader } from './consumption.js';
import type { Topology } from './topology.js';

export interface DeadLetter {
  /** Empty where the message has none. */
  readonly messageId: string;
  readonly body: string;
  /** Why we put it there, where it was us. */
  readonly reason: string | undefined;
  /** Why RabbitMQ did: `rejected`, `delivery_limit`, `expired` or `maxlen`. */
  readonly brokerReason: string | undefined;
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
  const textOf = (header: string): string | undefined => {
    const value: unknown = properties.headers?.[header];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    messageId: typeof id === 'string' ? id : '',
    body: content.toString(),
    reason: textOf(reasonHeader),
    brokerReason: textOf('x-first-death-reason'),
  };
}
