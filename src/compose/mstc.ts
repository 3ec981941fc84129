/** MSTC's clients on RabbitMQ: messages come in where requests do, replies go out where ends of jobs are told. */
import type { BlobStore } from '../blobs/blob-store.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import type { Projection } from '../control/projections.js';
import { brokerOf } from '../doors/mstc/address.js';
import { MessageConsumer } from '../doors/mstc/consumer.js';
import { Intake } from '../doors/mstc/intake.js';
import { replyByMessage } from '../doors/mstc/replies.js';
import { Sender } from '../doors/mstc/sender.js';
import type { Engine } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import type { Log } from '../log.js';
import { containerType } from '../tasks/container/index.js';
import type { TaskRegistry } from '../tasks/registry.js';

type MstcConfig = Pick<Config, 'mstcAmqp' | 'mstcQueue' | 'mstcResults' | 'queue'>;

interface Closable {
  close(): Promise<void>;
}

/**
 * Takes the messages of the clients. @returns undefined where there are none to take: no address, or no containers.
 * @throws DrayError where the address cannot be used or RabbitMQ refuses us; one that is away is waited for.
 */
export async function openMessages(params: {
  config: MstcConfig;
  engine: Engine;
  blobs: BlobStore;
  tasks: TaskRegistry;
  clock: Clock;
  log: Log;
  jobsRefusal: () => DrayError | undefined;
}): Promise<Closable | undefined> {
  const { config, tasks } = params;
  const url = config.mstcAmqp ?? config.queue;
  if (url === undefined) return undefined;
  if (!tasks.find(containerType)) {
    if (config.mstcAmqp === undefined) return undefined;
    throw new DrayError(
      'invalid-request',
      '--mstc-amqp: its messages need containers; set --containers too',
      {
        field: 'mstcAmqp',
      },
    );
  }
  const sender = await Sender.open({ ...params, url });
  try {
    const dead = `${config.mstcQueue}.dead`;
    const consumer = await MessageConsumer.open({
      ...params,
      url,
      queue: config.mstcQueue,
      others: [dead, config.mstcResults],
      intake: new Intake({ ...params, sender, dead, broker: brokerOf(url) }),
    });
    return {
      close: async () => {
        await consumer.close();
        await sender.close();
      },
    };
  } catch (error) {
    await sender.close();
    throw error;
  }
}

/** Tells the clients how their jobs ended; connects when there is something to tell. */
export function createReplies(params: {
  config: MstcConfig;
  blobs: BlobStore;
  clock: Clock;
  log: Log;
}): Closable & { readonly project: Projection } {
  const { config, blobs } = params;
  const url = config.mstcAmqp ?? config.queue;
  let opening: Promise<Sender> | undefined;
  const sender = (): Promise<Sender> => {
    if (url === undefined) throw new DrayError('unavailable', 'there is no --mstc-amqp to reply by');
    opening ??= Sender.open({ ...params, url }).catch((error: unknown) => {
      opening = undefined; // refused: the next delivery tries it anew
      throw error;
    });
    return opening;
  };
  return {
    project: replyByMessage({ sender, blobs, broker: url && brokerOf(url), results: config.mstcResults }),
    close: async () => {
      await (await opening?.catch(() => undefined))?.close();
    },
  };
}
