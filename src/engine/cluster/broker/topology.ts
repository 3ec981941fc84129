/** The queues: their names, what they are declared with, and that what is there is what we need. */
import type { Channel, Options } from 'amqplib';
import { isRefusal, type Link } from '../../../amqp/link.js';
import type { Queues } from '../../../amqp/publisher.js';
import { Questions } from '../../../amqp/questions.js';
import type { Clock } from '../../../clock.js';
import { DrayError } from '../../../jobs/errors.js';
import type { Priority } from '../../../jobs/priority.js';
import type { Log } from '../../../log.js';

/** One queue of ready jobs. */
export interface QueueName {
  readonly type: string;
  readonly priority: Priority;
}

/** A refused declaration is not tried again for so long: each one costs a channel and a line of RabbitMQ's log. */
const refusalHoldsMs = 5_000;
const logEveryMs = 30_000;

export class Topology implements Queues {
  #link: Link | undefined;
  readonly #questions = new Questions();
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #declared = new Set<string>();
  readonly #declaring = new Map<string, Promise<void>>();
  readonly #refused = new Map<string, { readonly error: DrayError; readonly until: number }>();
  readonly #complained = new Map<string, number>();

  constructor(params: { prefix: string; clock: Clock; log: Log }) {
    this.#prefix = params.prefix;
    this.#clock = params.clock;
    this.#log = params.log;
  }

  /** What is there is checked again: RabbitMQ may have lost its disk. */
  connected(link: Link): void {
    this.#link = link;
    this.#questions.connected(link);
    this.#declared.clear();
    this.#refused.clear();
  }

  /** Within RabbitMQ's 255 bytes: a prefix has at most 64 characters, a type 128. */
  nameOf({ type, priority }: QueueName): string {
    return `${this.#prefix}.ready.${type}.${priority}`;
  }

  /** The queue of dead letters, and the exchange that leads to it. */
  get dead(): string {
    return `${this.#prefix}.dead`;
  }

  isDeclared(name: string): boolean {
    return this.#declared.has(name);
  }

  /** The queue is gone: it is declared anew when it is needed next. */
  forget(name: string): void {
    this.#declared.delete(name);
    this.#declared.delete(this.dead);
  }

  /**
   * Declares the queue where that has not been done, and with it what its dead letters need.
   * @throws DrayError `unavailable` while RabbitMQ is away, or where the queue exists and is another one than we need.
   */
  async ensure(name: string): Promise<void> {
    if (name !== this.dead) await this.ensure(this.dead);
    if (this.#declared.has(name)) return;
    const refused = this.#refused.get(name);
    if (refused && refused.until > this.#clock.monotonic()) throw refused.error;
    let declaring = this.#declaring.get(name);
    if (!declaring) {
      declaring = this.#declare(name).finally(() => this.#declaring.delete(name));
      this.#declaring.set(name, declaring);
    }
    await declaring;
  }

  /** See Questions. */
  ask<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    return this.#questions.ask(work);
  }

  /** Says at most every 30 s of a queue why it cannot be used. */
  complain(name: string, { message }: Error): void {
    const now = this.#clock.monotonic();
    if (now - (this.#complained.get(name) ?? -Infinity) < logEveryMs) return;
    this.#complained.set(name, now);
    this.#log.warn('a queue cannot be used', { queue: name, reason: message });
  }

  async #declare(name: string): Promise<void> {
    const dead = this.dead;
    try {
      if (name === dead) {
        await this.ask((channel) => channel.assertExchange(dead, 'direct', { durable: true }));
        await this.#assertQueue(dead, {});
        await this.ask((channel) => channel.bindQueue(dead, dead, dead));
      } else {
        await this.#assertQueue(name, { deadLetterExchange: dead, deadLetterRoutingKey: dead });
      }
    } catch (error) {
      throw isRefusal(error) ? this.#noteRefusal(name, error) : error;
    }
    this.#refused.delete(name);
    this.#declared.add(name);
  }

  /**
   * From RabbitMQ 4.0 on a quorum queue gives a message up after 20 deliveries, unless it was declared with the limit
   * -1. Older ones have no limit, but would take -1 for 0: the version decides. A queue that an older RabbitMQ has
   * left behind is without the argument and cannot get it; its dead letters are emitted again.
   */
  async #assertQueue(name: string, options: Options.AssertQueue): Promise<void> {
    const plain = { 'x-queue-type': 'quorum' };
    const declare = (args: object): Promise<unknown> =>
      this.ask((channel) => channel.assertQueue(name, { ...options, durable: true, arguments: args }));
    if (Number.parseInt(this.#link?.version ?? '', 10) < 4) {
      await declare(plain);
      return;
    }
    try {
      await declare({ ...plain, 'x-delivery-limit': -1 });
    } catch (error) {
      if (!isRefusal(error) || !error.message.includes('x-delivery-limit')) throw error;
      await declare(plain);
    }
  }

  #noteRefusal(name: string, cause: Error): DrayError {
    const said = /with message "(.*)"$/s.exec(cause.message)?.[1] ?? cause.message;
    const error = new DrayError(
      'unavailable',
      `RabbitMQ refuses to declare ${name}: ${said}. It was declared otherwise, or the user may not configure it. Where it is empty and nobody else’s, delete it (rabbitmqctl delete_queue); else take another --queue-prefix.`,
      { field: 'queue', cause },
    );
    this.#refused.set(name, { error, until: this.#clock.monotonic() + refusalHoldsMs });
    this.complain(name, error);
    return error;
  }
}
