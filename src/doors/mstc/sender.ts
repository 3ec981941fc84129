/** Sends MSTC's clients their replies, and what could not be used to the dead letters. */
import { Link, parseAddress } from '../../amqp/link.js';
import { Publisher, type Parcel } from '../../amqp/publisher.js';
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import type { Log } from '../../log.js';
import { SharedQueues } from './queues.js';

export class Sender {
  readonly #link: Link;
  readonly #publisher: Publisher;

  /**
   * Resolves after the first attempt to connect; a RabbitMQ that is away is waited for.
   * @throws DrayError `unavailable` where RabbitMQ refuses the user or the vhost.
   */
  static async open(params: { url: string; clock: Clock; log: Log }): Promise<Sender> {
    const { url, clock, log } = params;
    const queues = new SharedQueues(log);
    const publisher = new Publisher({ queues, clock, log });
    const link = await Link.open({
      address: parseAddress(url, 'mstc-amqp'),
      name: 'dray container replies',
      clock,
      log,
      onUp: (up) => {
        queues.connected(up);
        return publisher.connected(up);
      },
      onDown: () => publisher.disconnected(),
      onBlocked: (blocked) => publisher.block(blocked),
    });
    return new Sender(link, publisher);
  }

  private constructor(link: Link, publisher: Publisher) {
    this.#link = link;
    this.#publisher = publisher;
  }

  /**
   * Resolves once RabbitMQ has all of them.
   * @throws DrayError `unavailable` where one of them is not known to be there: all may be sent again.
   */
  async send(parcels: readonly Parcel[]): Promise<void> {
    const sent = await this.#publisher.publish(parcels);
    const missing = parcels.find((_, index) => sent[index] !== true);
    if (!missing) return;
    if (!this.#publisher.reachable) throw this.#link.away();
    throw new DrayError('unavailable', `RabbitMQ did not confirm a message to ${missing.queue}.`);
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}
