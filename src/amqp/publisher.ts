/** Messages to RabbitMQ, each with an answer: it is in its queue, or not known to be there. */
import type { ConfirmChannel, Options } from 'amqplib';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Link } from './link.js';

export interface Parcel {
  /** The queue that the message is for; it is declared where there is none. */
  readonly queue: string;
  readonly messageId: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string | Buffer;
  readonly correlationId?: string;
  readonly replyTo?: string;
  /** True where it may be thrown away because there is no such queue, which then is not declared either. */
  readonly droppable?: boolean;
}

/** How queues come to be. */
export interface Queues {
  isDeclared(name: string): boolean;
  /** Declares the queue where that has not been done. @throws where that is not possible now, and has said why. */
  ensure(name: string): Promise<void>;
  /** The queue is gone: it is declared anew when it is needed next. */
  forget(name: string): void;
}

interface Batch {
  readonly results: boolean[];
  /** How many have no answer yet. */
  open: number;
  done(results: readonly boolean[]): void;
  cancelTimer(): void;
}

interface Entry {
  readonly parcel: Parcel;
  readonly batch: Batch;
  readonly index: number;
  /** Its queue was declared anew for it. */
  again: boolean;
}

const confirmMs = 5_000;
/** Messages that are queued here, sent, or given up but still to be confirmed. */
const mostOpen = 10_000;
/** What every version takes: the largest message of RabbitMQ 4 is 16 MiB. */
const mostBytes = 16 * 1024 * 1024;

export class Publisher {
  readonly #queues: Queues;
  readonly #clock: Clock;
  readonly #log: Log;
  #channel: ConfirmChannel | undefined;
  #blocked = false;
  #writable = true;
  #open = 0;
  #queue: Entry[] = [];
  readonly #batches = new Set<Batch>();
  /** How often a message to this queue and of this id came back; its confirm follows. */
  readonly #returned = new Map<string, number>();
  readonly totals = { returned: 0, nacked: 0 };

  constructor(params: { queues: Queues; clock: Clock; log: Log }) {
    this.#queues = params.queues;
    this.#clock = params.clock;
    this.#log = params.log;
  }

  get reachable(): boolean {
    return this.#channel !== undefined && !this.#blocked;
  }

  async connected(link: Link): Promise<void> {
    const channel = await link.confirmChannel();
    this.#blocked = false;
    this.#writable = true;
    channel.on('return', ({ fields, properties }) =>
      this.#noteReturn(returnedAs(fields.routingKey, String(properties.messageId))),
    );
    channel.on('drain', () => {
      this.#writable = true;
      this.#write();
    });
    channel.on('close', () => {
      if (this.#channel !== channel) return;
      this.disconnected();
      // RabbitMQ ended the channel alone: the connection's own recovery is the one way back.
      link.reset();
    });
    this.#channel = channel;
  }

  /** The confirms of what was sent can come no more. */
  disconnected(): void {
    this.#channel = undefined;
    this.#returned.clear();
    this.#giveUp();
  }

  /** While RabbitMQ takes nothing, what is sent only fills its sockets: the answer is no at once. */
  block(blocked: boolean): void {
    this.#blocked = blocked;
    if (blocked) this.#giveUp();
  }

  publish(parcels: readonly Parcel[]): Promise<readonly boolean[]> {
    if (parcels.length === 0) return Promise.resolve([]);
    return new Promise((done) => {
      const batch: Batch = {
        results: new Array<boolean>(parcels.length).fill(false),
        open: parcels.length,
        done,
        cancelTimer: this.#clock.after(confirmMs, () => this.#end(batch)),
      };
      this.#batches.add(batch);
      for (const [index, parcel] of parcels.entries()) {
        this.#accept({ parcel, batch, index, again: false });
      }
      this.#write();
    });
  }

  #accept(entry: Entry): void {
    if (!this.reachable || this.#open >= mostOpen || this.#isTooLarge(entry.parcel)) {
      this.#answer(entry, false);
      return;
    }
    this.#open += 1;
    const { queue, droppable } = entry.parcel;
    if (droppable === true || this.#queues.isDeclared(queue)) this.#queue.push(entry);
    else void this.#declareFor(entry);
  }

  async #declareFor(entry: Entry): Promise<void> {
    try {
      await this.#queues.ensure(entry.parcel.queue);
    } catch {
      // Why has been said there.
      this.#release(entry, false);
      return;
    }
    this.#queue.push(entry);
    this.#write();
  }

  #write(): void {
    const entries = this.#queue;
    let next = 0;
    while (next < entries.length && this.#writable && this.#channel && !this.#blocked) {
      const entry = entries[next++]!;
      // A batch that was answered has been told no: sending now would only make a duplicate.
      if (this.#batches.has(entry.batch)) this.#send(this.#channel, entry);
      else this.#open -= 1;
    }
    this.#queue = next === entries.length ? [] : entries.slice(next);
  }

  #send(channel: ConfirmChannel, entry: Entry): void {
    const { queue, messageId, headers, body, correlationId, replyTo, droppable = false } = entry.parcel;
    const options: Options.Publish = {
      messageId,
      headers,
      ...(correlationId !== undefined && { correlationId }),
      ...(replyTo !== undefined && { replyTo }),
      mandatory: !droppable,
      persistent: true,
      contentType: 'application/json',
    };
    const content = typeof body === 'string' ? Buffer.from(body) : body;
    try {
      this.#writable = channel.publish('', queue, content, options, (error: Error | null) =>
        this.#confirmed(entry, error),
      );
    } catch {
      // The connection is being closed.
      this.#channel = undefined;
      this.#release(entry, false);
    }
  }

  #confirmed(entry: Entry, error: Error | null): void {
    if (error) {
      if (error.message === 'message nacked') this.totals.nacked += 1;
      this.#release(entry, false);
      return;
    }
    const { messageId, queue, droppable = false } = entry.parcel;
    const key = returnedAs(queue, messageId);
    const returned = droppable ? 0 : (this.#returned.get(key) ?? 0);
    if (returned === 0) {
      this.#release(entry, true);
      return;
    }
    if (returned === 1) this.#returned.delete(key);
    else this.#returned.set(key, returned - 1);
    if (entry.again) {
      this.#release(entry, false);
      return;
    }
    entry.again = true;
    this.#queues.forget(queue);
    void this.#declareFor(entry);
  }

  /** An unroutable message is confirmed too, and right after it has come back. */
  #noteReturn(key: string): void {
    this.totals.returned += 1;
    this.#returned.set(key, (this.#returned.get(key) ?? 0) + 1);
  }

  #release(entry: Entry, result: boolean): void {
    this.#open -= 1;
    this.#answer(entry, result);
  }

  #answer({ batch, index }: Entry, result: boolean): void {
    if (!this.#batches.has(batch)) return;
    batch.results[index] = result;
    batch.open -= 1;
    if (batch.open === 0) this.#end(batch);
  }

  /** What has no answer yet is answered with no. */
  #end(batch: Batch): void {
    batch.cancelTimer();
    this.#batches.delete(batch);
    batch.done(batch.results);
  }

  #giveUp(): void {
    this.#open -= this.#queue.length;
    this.#queue = [];
    for (const batch of this.#batches) this.#end(batch);
  }

  #isTooLarge({ body, messageId, queue }: Parcel): boolean {
    if (body.length <= mostBytes / 4) return false;
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    if (bytes <= mostBytes) return false;
    this.#log.warn('a message is too large to be sent', { messageId, queue, bytes, most: mostBytes });
    return true;
  }
}

function returnedAs(queue: string, messageId: string): string {
  return `${queue} ${messageId}`;
}
