/**
 * The queues that Dray shares with MSTC's clients. Who comes first declares them, and RabbitMQ refuses whoever declares
 * one otherwise: what is there is taken as it is, and where there is none, it is declared as clients do who say no more
 * than that it is durable.
 */
import { isRefusal, type Link } from '../../amqp/link.js';
import type { Queues } from '../../amqp/publisher.js';
import { Questions } from '../../amqp/questions.js';
import type { Log } from '../../log.js';

export class SharedQueues implements Queues {
  readonly #log: Log;
  readonly #questions = new Questions();
  readonly #known = new Set<string>();
  readonly #ensuring = new Map<string, Promise<void>>();
  /** Said of each queue once a connection. */
  readonly #complained = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** What is there is looked for again. */
  connected(link: Link): void {
    this.#questions.connected(link);
    this.#known.clear();
    this.#complained.clear();
  }

  isDeclared(name: string): boolean {
    return this.#known.has(name);
  }

  forget(name: string): void {
    this.#known.delete(name);
  }

  /** @throws DrayError `unavailable` where RabbitMQ is away; what it says where it refuses. */
  async ensure(name: string): Promise<void> {
    if (this.#known.has(name)) return;
    let ensuring = this.#ensuring.get(name);
    if (!ensuring) {
      ensuring = this.#ensure(name).finally(() => this.#ensuring.delete(name));
      this.#ensuring.set(name, ensuring);
    }
    await ensuring;
  }

  async #ensure(name: string): Promise<void> {
    try {
      if (!(await this.#exists(name))) {
        await this.#questions.ask((channel) => channel.assertQueue(name, { durable: true }));
        this.#log.info('a queue of the container messages was declared', { queue: name });
      }
    } catch (error) {
      // Somebody else has declared it, otherwise, since we looked: then it is there.
      if (!isRefusal(error) || error.code !== 406) throw this.#complain(name, error);
    }
    this.#known.add(name);
  }

  async #exists(name: string): Promise<boolean> {
    try {
      await this.#questions.ask((channel) => channel.checkQueue(name));
      return true;
    } catch (error) {
      if (isRefusal(error) && error.code === 404) return false;
      throw error;
    }
  }

  #complain(name: string, error: unknown): unknown {
    if (isRefusal(error) && !this.#complained.has(name)) {
      this.#complained.add(name);
      this.#log.warn('a queue of the container messages cannot be used', {
        queue: name,
        reason: error.message,
      });
    }
    return error;
  }
}
