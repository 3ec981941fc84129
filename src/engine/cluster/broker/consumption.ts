/** A consumer on a channel of its own, so that its delivery tags are its own count and "all before it" is exact. */
import type { Channel, ConsumeMessage } from 'amqplib';
import { closeQuietly, type Link } from '../../../amqp/link.js';
import type { Publisher } from '../../../amqp/publisher.js';

export interface Delivery {
  readonly body: string;
  /** Empty where the message has none. */
  readonly messageId: string;
  readonly redelivered: boolean;
  /** Grows by one with each delivery of one consumption. */
  readonly sequence: number;
}

export interface Consumption {
  /** How many messages waited in the queue when it was opened. */
  readonly waiting: number;
  /** Settles this delivery and all before it: they were claimed, or are dropped as stale. */
  ack(upTo: Delivery): void;
  /** To the dead-letter queue, with the reason in the header x-dray-reason. Settles it, and nothing else. */
  deadLetter(delivery: Delivery, reason: string): Promise<void>;
  /** Ends the consumer; what was not settled goes back to its queue, in its order. Idempotent. */
  close(): Promise<void>;
}

export const reasonHeader = 'x-dray-reason';
const mostReason = 1_000;

interface ConsumptionParams {
  readonly link: Link;
  readonly queue: string;
  /** The queue of dead letters. */
  readonly dead: string;
  readonly prefetch: number;
  readonly publisher: Publisher;
  onDelivery(delivery: Delivery): void;
  onEnd(): void;
}

class Received implements Delivery {
  readonly message: ConsumeMessage;

  constructor(message: ConsumeMessage) {
    this.message = message;
  }

  get body(): string {
    return this.message.content.toString();
  }

  get messageId(): string {
    const id: unknown = this.message.properties.messageId;
    return typeof id === 'string' ? id : '';
  }

  get redelivered(): boolean {
    return this.message.fields.redelivered;
  }

  get sequence(): number {
    return this.message.fields.deliveryTag;
  }
}

export class ChannelConsumption implements Consumption {
  readonly waiting: number;
  readonly #params: ConsumptionParams;
  readonly #channel: Channel;
  /** What comes before the caller has the consumption; at most as many as the prefetch. */
  #early: Received[] | undefined = [];
  #settledUpTo = 0;
  /** Settled one by one, above that. */
  readonly #settled = new Set<number>();
  #ended = false;
  #closing: Promise<void> | undefined;

  /** @throws DrayError `unavailable` while RabbitMQ is away; what RabbitMQ says where there is no such queue. */
  static async open(params: ConsumptionParams): Promise<ChannelConsumption> {
    const { link, queue, prefetch } = params;
    const channel = await link.channel();
    try {
      await link.answer(channel.prefetch(prefetch));
      const { messageCount } = await link.answer(channel.checkQueue(queue));
      const consumption = new ChannelConsumption(params, channel, messageCount);
      await link.answer(channel.consume(queue, (message) => consumption.#receive(message)));
      // By then the caller has the consumption.
      setImmediate(() => consumption.#begin());
      return consumption;
    } catch (error) {
      void closeQuietly(channel);
      throw error;
    }
  }

  private constructor(params: ConsumptionParams, channel: Channel, waiting: number) {
    this.#params = params;
    this.#channel = channel;
    this.waiting = waiting;
    channel.on('close', () => this.#end());
  }

  ack(upTo: Delivery): void {
    if (this.#ended || upTo.sequence <= this.#settledUpTo) return;
    // A tag that RabbitMQ does not know any more would end the channel: take the highest one that is still open.
    let tag = upTo.sequence;
    while (tag > this.#settledUpTo && this.#settled.has(tag)) tag -= 1;
    if (tag > this.#settledUpTo) this.#settle((channel) => channel.ack(messageOf(tag), true));
    for (const one of this.#settled) if (one <= upTo.sequence) this.#settled.delete(one);
    this.#settledUpTo = upTo.sequence;
  }

  async deadLetter(delivery: Delivery, reason: string): Promise<void> {
    const { publisher, dead } = this.#params;
    if (!(delivery instanceof Received)) throw new TypeError('no delivery of a consumption');
    const { message } = delivery;
    const headers = { ...message.properties.headers, [reasonHeader]: reason.slice(0, mostReason) };
    const [sent] = await publisher.publish([
      { queue: dead, messageId: delivery.messageId, headers, body: message.content },
    ]);
    const { sequence } = delivery;
    if (this.#ended || sequence <= this.#settledUpTo || this.#settled.has(sequence)) return;
    this.#settled.add(sequence);
    if (sent) this.#settle((channel) => channel.ack(message));
    // Where publishing is not possible now, RabbitMQ moves it by itself; it cannot add our reason.
    else this.#settle((channel) => channel.nack(message, false, false));
  }

  /**
   * Closing the channel is what gives everything back at once and in its order: after a cancel, and by nack, a quorum
   * queue of RabbitMQ 3.10 puts the messages back out of order.
   */
  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = Promise.resolve();
      if (!this.#ended) {
        this.#ended = true;
        this.#closing = closeQuietly(this.#channel);
      }
    }
    return this.#closing;
  }

  #settle(say: (channel: Channel) => void): void {
    try {
      say(this.#channel);
    } catch {
      // The connection is being closed, and RabbitMQ has everything back.
    }
  }

  #receive(message: ConsumeMessage | null): void {
    if (this.#ended) return;
    if (!message) {
      // The queue was deleted, or its node went away.
      this.#end();
      void closeQuietly(this.#channel);
      return;
    }
    const delivery = new Received(message);
    if (this.#early) this.#early.push(delivery);
    else this.#params.onDelivery(delivery);
  }

  #begin(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    if (this.#ended && !this.#closing) this.#params.onEnd();
    for (const delivery of early) if (!this.#ended) this.#params.onDelivery(delivery);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#early) this.#params.onEnd();
  }
}

/** amqplib acknowledges by message, and reads no more of it than its tag. */
function messageOf(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage;
}
