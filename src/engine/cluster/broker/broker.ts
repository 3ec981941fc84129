/** RabbitMQ as the cluster engine uses it: ready jobs go in with a confirm, and come out to whoever consumes. */
import { isRefusal, Link, parseAddress } from '../../../amqp/link.js';
import { Publisher } from '../../../amqp/publisher.js';
import type { Clock } from '../../../clock.js';
import { DrayError } from '../../../jobs/errors.js';
import type { Log } from '../../../log.js';
import { ChannelConsumption, type Consumption, type Delivery } from './consumption.js';
import { drainDeadLetters, type DeadLetter } from './dead-letters.js';
import { Topology, type QueueName } from './topology.js';

export type { Consumption, Delivery } from './consumption.js';
export type { DeadLetter } from './dead-letters.js';
export type { QueueName } from './topology.js';

export interface Outgoing extends QueueName {
  readonly id: string;
  readonly emission: number;
  readonly body: string;
}

export interface Broker {
  /** False while RabbitMQ is away or blocks publishers (connection.blocked). */
  readonly reachable: boolean;
  /**
   * True for each message that RabbitMQ confirmed and put into a queue; false where it did not: away, blocked, nacked,
   * returned as unroutable even after declaring its queue anew, no confirm within 5 s, or a body above 16 MiB. Such a
   * message may be there all the same. Never rejects. At most 10,000 are unconfirmed at a time; more are answered
   * false at once.
   */
  publish(messages: readonly Outgoing[]): Promise<readonly boolean[]>;
  /**
   * Opens a consumer. Deliveries begin after the promise has resolved. `onEnd` is called once when it ends by itself
   * (connection lost, queue deleted, cancelled by RabbitMQ); nothing can be settled after that.
   * @throws DrayError `unavailable` while RabbitMQ is away, or where the queue exists and is another one than we need.
   */
  consume(params: {
    queue: QueueName;
    prefetch: number;
    onDelivery(delivery: Delivery): void;
    onEnd(): void;
  }): Promise<Consumption>;
  /**
   * Ready messages and consumers of a queue; undefined where there is no such queue yet.
   * @throws DrayError `unavailable` while RabbitMQ is away.
   */
  depth(queue: QueueName): Promise<{ readonly messages: number; readonly consumers: number } | undefined>;
  /**
   * Makes the queue where it is not there, else makes sure that it is declared as it must be.
   * @throws DrayError `unavailable` while RabbitMQ is away, or that says what is wrong with the queue.
   */
  declare(queue: QueueName): Promise<void>;
  /** How many messages lie in the dead-letter queue. @throws DrayError `unavailable` while RabbitMQ is away. */
  deadLetters(): Promise<number>;
  /**
   * Takes up to `limit` messages out of the dead-letter queue: those for which `handle` says true are done, the others
   * stay. @returns how many are done.
   * @throws DrayError `unavailable` while RabbitMQ is away; what `handle` throws.
   */
  drainDeadLetters(params: { limit: number; handle(message: DeadLetter): Promise<boolean> }): Promise<number>;
  readonly totals: { readonly redelivered: number; readonly returned: number; readonly nacked: number };
  close(): Promise<void>;
}

export interface BrokerOptions {
  /** amqp:// or amqps:// address. */
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Begins the names of all queues: 1 to 64 characters of A–Z a–z 0–9 . _ - */
  readonly prefix?: string;
}

/**
 * Resolves after the first attempt to connect, also where RabbitMQ is away: it is waited for.
 * @throws DrayError `invalid-request` for an address that is none, `unavailable` where RabbitMQ refuses the user or
 *   the vhost; both with the field `queue`.
 */
export async function openBroker({ url, clock, log, prefix = 'dray' }: BrokerOptions): Promise<Broker> {
  const address = parseAddress(url);
  if (!/^[\w.-]{1,64}$/.test(prefix)) {
    const rule = 'must be 1 to 64 characters of A-Z a-z 0-9 . _ -';
    throw new DrayError('invalid-request', `queue-prefix: ${rule}`, { field: 'queue-prefix' });
  }
  const topology = new Topology({ prefix, clock, log });
  const work = await Link.open({
    address,
    name: 'dray consuming',
    clock,
    log,
    onUp: (link) => topology.connected(link),
  });
  const publisher = new Publisher({ queues: topology, clock, log });
  let redelivered = 0;

  async function startConsuming(
    queue: QueueName,
    params: Parameters<Broker['consume']>[0],
    again: boolean,
  ): Promise<Consumption> {
    const name = topology.nameOf(queue);
    await topology.ensure(name);
    try {
      return await ChannelConsumption.open({
        link: work,
        queue: name,
        dead: topology.dead,
        prefetch: params.prefetch,
        publisher,
        onDelivery: (delivery) => {
          if (delivery.redelivered) redelivered += 1;
          params.onDelivery(delivery);
        },
        onEnd: () => params.onEnd(),
      });
    } catch (error) {
      if (!isRefusal(error)) {
        if (work.up && error instanceof DrayError) topology.complain(name, error);
        throw error;
      }
      if (error.code !== 404 || again) throw work.away(error);
      // It was deleted since we declared it.
      topology.forget(name);
      return startConsuming(queue, params, true);
    }
  }

  async function depthOf(name: string): ReturnType<Broker['depth']> {
    try {
      const found = await topology.ask((channel) => channel.checkQueue(name));
      return { messages: found.messageCount, consumers: found.consumerCount };
    } catch (error) {
      if (isRefusal(error) && error.code === 404) return undefined;
      throw isRefusal(error) ? work.away(error) : error;
    }
  }

  let sending: Link;
  try {
    sending = await Link.open({
      address,
      name: 'dray publishing',
      clock,
      log,
      onUp: (link) => publisher.connected(link),
      onDown: () => publisher.disconnected(),
      onBlocked: (blocked) => publisher.block(blocked),
    });
  } catch (error) {
    await work.close();
    throw error;
  }

  return {
    get reachable() {
      return publisher.reachable;
    },
    get totals() {
      return { redelivered, ...publisher.totals };
    },
    publish: (messages) =>
      publisher.publish(
        messages.map((message) => ({
          queue: topology.nameOf(message),
          messageId: message.id,
          headers: { 'x-dray-emission': message.emission },
          body: message.body,
        })),
      ),
    consume: (params) => startConsuming(params.queue, params, false),
    depth: (queue) => depthOf(topology.nameOf(queue)),
    declare: (queue) => topology.ensure(topology.nameOf(queue)),
    deadLetters: async () => (await depthOf(topology.dead))?.messages ?? 0,
    drainDeadLetters: (params) => drainDeadLetters({ link: work, topology, ...params }),
    async close() {
      await Promise.all([sending.close(), work.close()]);
    },
  };
}
