/**
 * MSTC's cloud worker over RabbitMQ: each message of a queue becomes a job. A message is acknowledged once its job is
 * stored, or once it is among the dead letters; until then it is RabbitMQ's, and comes again.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import { Link, parseAddress } from '../../amqp/link.js';
import type { Clock } from '../../clock.js';
import type { Log } from '../../log.js';
import type { Intake } from './intake.js';
import { SharedQueues } from './queues.js';

interface ConsumerOptions {
  /** amqp:// or amqps:// address. */
  readonly url: string;
  readonly queue: string;
  /** Queues that are declared with it, so that clients find them. */
  readonly others: readonly string[];
  readonly intake: Pick<Intake, 'take'>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Messages that are worked on at a time; RabbitMQ sends no more before one of them is settled. Each is in memory as a
 * whole, also one of 16 MiB, or of whatever RabbitMQ's max_message_size is.
 */
const prefetch = 8;
/** How long a stop waits for what is worked on, in ms. */
const stopMs = 5_000;

export class MessageConsumer {
  readonly #options: ConsumerOptions;
  readonly #busy = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #link: Link | undefined;
  #consuming: { readonly channel: Channel; readonly tag: string } | undefined;

  /**
   * Resolves after the first attempt to connect; a RabbitMQ that is away is waited for.
   * @throws DrayError `unavailable` where RabbitMQ refuses the user or the vhost.
   */
  static async open(options: ConsumerOptions): Promise<MessageConsumer> {
    const { url, clock, log } = options;
    const consumer = new MessageConsumer(options);
    consumer.#link = await Link.open({
      address: parseAddress(url, 'mstc-amqp'),
      name: 'dray container messages',
      clock,
      log,
      onUp: (link) => consumer.#consume(link),
      onDown: () => (consumer.#consuming = undefined),
    });
    return consumer;
  }

  private constructor(options: ConsumerOptions) {
    this.#options = options;
  }

  /** Takes no more messages, and waits a moment for those that are worked on; what is not settled goes back. */
  async close(): Promise<void> {
    const link = this.#link;
    if (!link) return;
    const consuming = this.#consuming;
    if (consuming) await link.answer(consuming.channel.cancel(consuming.tag)).catch(() => undefined);
    this.#stop.abort(); // those that wait for something are given back at once
    const waiting = new AbortController();
    const late = this.#options.clock.sleep(stopMs, waiting.signal).catch(() => undefined);
    await Promise.race([Promise.all(this.#busy), late]);
    waiting.abort();
    await link.close();
  }

  async #consume(link: Link): Promise<void> {
    const { queue, others, log } = this.#options;
    const queues = new SharedQueues(log);
    queues.connected(link);
    await queues.ensure(queue);
    await Promise.allSettled(others.map((other) => queues.ensure(other)));
    const channel = await link.channel();
    const closed = new AbortController();
    channel.on('close', () => {
      closed.abort();
      // What ends for itself takes its connection along: what comes back after that is whole again.
      link.reset();
    });
    const over = AbortSignal.any([closed.signal, this.#stop.signal]);
    await link.answer(channel.prefetch(prefetch));
    const consuming = channel.consume(queue, (message) => {
      if (message) this.#begin(channel, message, over);
      else link.reset(); // the queue was deleted
    });
    this.#consuming = { channel, tag: (await link.answer(consuming)).consumerTag };
  }

  #begin(channel: Channel, message: ConsumeMessage, over: AbortSignal): void {
    const work = this.#settle(channel, message, over).finally(() => this.#busy.delete(work));
    this.#busy.add(work);
  }

  async #settle(channel: Channel, message: ConsumeMessage, over: AbortSignal): Promise<void> {
    const { intake, log } = this.#options;
    try {
      await intake.take(message, over);
      channel.ack(message);
    } catch (error) {
      // Not settled: RabbitMQ gives it out again once this channel is closed.
      if (!over.aborted) log.warn('a container message could not be settled', { error: String(error) });
    }
  }
}
