/** One ready queue as this process consumes it: deliveries that wait here for a claim, in their order. */
import type { Clock } from '../../clock.js';
import type { Broker, Consumption, Delivery, QueueName } from './broker/broker.js';
import { readMessage, type ReadyMessage } from './message.js';

export interface Ready {
  readonly source: Source;
  readonly delivery: Delivery;
  readonly message: ReadyMessage;
}

/** A queue that could not be opened, or gave out what we cannot use, is left alone for so long, in ms. */
const restMs = 2_000;

export class Source {
  readonly queue: QueueName;
  readonly #broker: Broker;
  readonly #clock: Clock;
  /** Told whenever a claim may get more, or need wait no longer. */
  readonly #onChange: () => void;
  readonly #gatherMs: number;
  #state: 'closed' | 'opening' | 'open' = 'closed';
  #consumption: Consumption | undefined;
  #buffer: Ready[] = [];
  #prefetch = 0;
  /** Of what waited at the opening, what has not come yet. */
  #expected = 0;
  /** Sequence numbers of the latest delivery, and of the latest that was settled. */
  #latest = 0;
  #acked = 0;
  /** What the last closing gave back: the queue may not count it yet. */
  #returned = 0;
  #cancelGather: () => void = () => undefined;
  #restUntil = 0;
  /** The last opening did not work. */
  #failed = false;
  #idleSince: number | undefined;
  /** Tells an opening that is wanted no more from the next one. */
  #opening = 0;
  /** Openings and closings, one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(params: {
    queue: QueueName;
    broker: Broker;
    clock: Clock;
    /** What waited in the queue when it was opened is waited for until nothing has come for so long. */
    gatherMs: number;
    onChange: () => void;
  }) {
    this.queue = params.queue;
    this.#broker = params.broker;
    this.#clock = params.clock;
    this.#onChange = params.onChange;
    this.#gatherMs = params.gatherMs;
  }

  get prefetch(): number {
    return this.#state === 'closed' ? 0 : this.#prefetch;
  }

  get resting(): boolean {
    return this.#clock.monotonic() < this.#restUntil;
  }

  /** True while it will soon have more than it has now: RabbitMQ has more, and may send it. */
  get gathering(): boolean {
    // One that could not be opened last time must not hold up the others again: it may never answer.
    if (this.#state === 'opening') return !this.#failed;
    return this.#state === 'open' && this.#expected > 0 && this.#latest - this.#acked < this.#prefetch;
  }

  get first(): Ready | undefined {
    return this.#buffer[0];
  }

  get waiting(): number {
    return this.#buffer.length;
  }

  take(): Ready {
    return this.#buffer.shift()!;
  }

  /** Consumes with the given prefetch from now on. */
  open(prefetch: number): void {
    const before = this.close();
    this.#state = 'opening';
    this.#prefetch = prefetch;
    const opening = (this.#opening += 1);
    this.#last = before.then(() => this.#open(prefetch, opening));
  }

  /** All up to this delivery were claimed, or are dropped. */
  ack(delivery: Delivery, of: Consumption | undefined): void {
    // A consumption that has ended meanwhile has given everything back.
    if (of === undefined || of !== this.#consumption) return;
    of.ack(delivery);
    this.#acked = delivery.sequence;
  }

  /** By which a later `ack` knows whether its delivery is still ours. */
  get consumption(): Consumption | undefined {
    return this.#consumption;
  }

  /** Gives back what was not settled. */
  close(): Promise<void> {
    if (this.#state === 'closed') return this.#last;
    this.#state = 'closed';
    const consumption = this.#consumption;
    this.#returned = this.#latest - this.#acked;
    this.#reset();
    const after = this.#last; // an opening under way closes what it has opened
    this.#last = Promise.all([after, consumption?.close()]).then(() => undefined);
    return this.#last;
  }

  /** Closes, and is not opened for a while. */
  rest(): void {
    this.#restUntil = this.#clock.monotonic() + restMs;
    void this.close();
  }

  /** A rest is over: what it was for has changed. */
  wake(): void {
    this.#restUntil = 0;
  }

  /** Notes whether anybody wants deliveries. @returns for how long nobody did, in ms. */
  noteDemand(wanted: boolean): number {
    if (wanted) this.#idleSince = undefined;
    else this.#idleSince ??= this.#clock.monotonic();
    return this.#idleSince === undefined ? 0 : this.#clock.monotonic() - this.#idleSince;
  }

  async #open(prefetch: number, opening: number): Promise<void> {
    const wanted = (): boolean => this.#state === 'opening' && this.#opening === opening;
    if (!wanted()) return;
    try {
      const early: Delivery[] = [];
      let consumption: Consumption | undefined = undefined;
      const opened = await this.#broker.consume({
        queue: this.queue,
        prefetch,
        onDelivery: (delivery) => {
          if (consumption === undefined) early.push(delivery);
          else this.#onDelivery(delivery, consumption);
        },
        onEnd: () => {
          if (consumption === undefined || consumption !== this.#consumption) return;
          this.#state = 'closed';
          this.#reset();
          this.#onChange();
        },
      });
      consumption = opened;
      if (!wanted()) {
        await opened.close();
        return;
      }
      this.#state = 'open';
      this.#failed = false;
      this.#consumption = opened;
      this.#expected = Math.max(opened.waiting, this.#returned);
      this.#gatherUntilQuiet();
      for (const delivery of early) this.#onDelivery(delivery, opened);
    } catch {
      // The broker has said why in its log.
      this.#failed = true;
      if (!wanted()) return;
      this.#state = 'closed';
      this.#restUntil = this.#clock.monotonic() + restMs;
    }
    this.#onChange();
  }

  #onDelivery(delivery: Delivery, from: Consumption): void {
    if (from !== this.#consumption) return;
    if (this.#latest === 0) this.#acked = delivery.sequence - 1;
    this.#latest = delivery.sequence;
    this.#expected = Math.max(0, this.#expected - 1);
    this.#gatherUntilQuiet();
    const message = readMessage(delivery.body);
    if (message === 'newer') {
      // A newer Dray will take it: rolling upgrades are safe.
      this.rest();
      return;
    }
    if (message === 'unreadable') {
      void from.deadLetter(delivery, 'not a message of Dray').catch(() => undefined);
      this.#onChange();
      return;
    }
    this.#buffer.push({ source: this, delivery, message });
    this.#onChange();
  }

  #gatherUntilQuiet(): void {
    this.#cancelGather();
    if (this.#expected === 0) return;
    this.#cancelGather = this.#clock.after(this.#gatherMs, () => {
      this.#expected = 0;
      this.#onChange();
    });
  }

  #reset(): void {
    this.#cancelGather();
    this.#consumption = undefined;
    this.#buffer = [];
    this.#expected = 0;
    this.#latest = this.#acked = 0;
    this.#idleSince = undefined;
  }
}
