/**
 * Death seen within milliseconds. Each worker holds one message, unacknowledged, from a queue of its own in which a
 * message that nobody takes at once expires. When the worker's connection drops, RabbitMQ puts the message back, it
 * expires and goes, as a dead letter, to the queue of the gone, which a controller reads.
 *
 * It is a suspicion: the connection may have dropped alone. Where RabbitMQ itself was killed nobody is suspected, as
 * these messages are not kept on its disk. What is missed is found by the leases.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import { Link, parseAddress } from '../../../amqp/link.js';
import type { Clock } from '../../../clock.js';
import type { Log } from '../../../log.js';

interface LivenessOptions {
  /** amqp:// or amqps:// address. */
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  /** As that of the broker. */
  readonly prefix?: string;
}

export interface Liveness {
  /** Ends it in peace: whoever held a message is not suspected. */
  close(): Promise<void>;
}

/** RabbitMQ ends a consumer that holds a message for long, by default for 30 min. */
const renewMs = 10 * 60_000;
/** A suspicion that no controller has read for so long is past: the leases have expired by themselves. */
const suspicionMs = 60_000;
/** A queue of a connection that is gone is removed. */
const unusedMs = 60_000;
const prefetch = 100;

/**
 * Says that the holder lives, for as long as this process does.
 * @throws DrayError as openBroker.
 */
export async function openLiveness(
  options: LivenessOptions & { readonly holder: string },
): Promise<Liveness> {
  const { clock, holder, prefix = 'dray' } = options;
  let current: { readonly channel: Channel; readonly queue: string } | undefined;

  const say = ({ channel, queue }: NonNullable<typeof current>): boolean =>
    channel.sendToQueue(queue, Buffer.alloc(0), { messageId: holder });

  const link = await Link.open({
    ...options,
    address: parseAddress(options.url),
    name: 'dray liveness',
    async onUp(up) {
      const gone = `${prefix}.gone`;
      const channel = await openChannel(up, gone);
      // A new name each time: the former connection's queue may still be there, and its message with it.
      const queue = `${prefix}.alive.${clock.id()}`;
      const settings = { messageTtl: 0, expires: unusedMs, deadLetterExchange: '' };
      await up.answer(channel.assertQueue(queue, { ...settings, deadLetterRoutingKey: gone }));
      let held: ConsumeMessage | undefined;
      let taken = (): void => undefined;
      const holding = new Promise<void>((resolve) => (taken = resolve));
      const consuming = channel.consume(queue, (message) => {
        if (message && held) channel.ack(held);
        else if (!message) up.reset();
        held = message ?? undefined;
        taken();
      });
      await up.answer(consuming);
      say({ channel, queue });
      await up.answer(holding);
      current = { channel, queue };
      channel.on('close', () => (current = undefined));
    },
  });
  const stopRenewing = clock.every(renewMs, () => current && say(current));

  return {
    async close() {
      stopRenewing();
      if (current) await link.answer(current.channel.deleteQueue(current.queue)).catch(() => undefined);
      await link.close();
    },
  };
}

/**
 * Calls `onSuspect` with each holder whose connection dropped; of several watchers one is called. Where it rejects,
 * that is logged.
 * @throws DrayError as openBroker.
 */
export async function watchLiveness(
  options: LivenessOptions & { readonly onSuspect: (holder: string) => Promise<void> },
): Promise<Liveness> {
  const { log, onSuspect, prefix = 'dray' } = options;

  const suspect = async (channel: Channel, message: ConsumeMessage): Promise<void> => {
    const holder = String(message.properties.messageId);
    try {
      await onSuspect(holder);
    } catch (error) {
      log.warn('a worker that seems to be gone is left to its leases', { holder, reason: String(error) });
    }
    acknowledge(channel, message);
  };

  const link = await Link.open({
    ...options,
    address: parseAddress(options.url),
    name: 'dray liveness watch',
    async onUp(up) {
      const gone = `${prefix}.gone`;
      const channel = await openChannel(up, gone);
      await up.answer(channel.prefetch(prefetch));
      const consuming = channel.consume(gone, (message) => {
        if (message) void suspect(channel, message);
        else up.reset();
      });
      await up.answer(consuming);
    },
  });
  return { close: () => link.close() };
}

/** A channel that ends for itself takes its connection along: what comes back after that is whole again. */
async function openChannel(link: Link, gone: string): Promise<Channel> {
  const channel = await link.channel();
  channel.on('close', () => link.reset());
  const quorum = { 'x-queue-type': 'quorum' };
  await link.answer(channel.assertQueue(gone, { messageTtl: suspicionMs, arguments: quorum }));
  return channel;
}

function acknowledge(channel: Channel, message: ConsumeMessage): void {
  try {
    channel.ack(message);
  } catch {
    // The channel is closed: another watcher gets the message too, which does no harm.
  }
}
