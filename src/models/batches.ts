/**
 * Requests that wait for a thread, run together as far as their model lets them. Nothing waits for company while a
 * thread is free, unless a window says so: batches are what arrived in one turn of the event loop, and grow by themselves
 * as soon as all threads are busy.
 */
import type { CancelTimer, Clock } from '../clock.js';
import { DrayError, isUnavailable } from '../jobs/errors.js';
import { isBatched, join, split, type Signature, type Tensors } from './tensor.js';

export interface BatchOptions {
  /** Runs at a time. */
  readonly threads: number;
  /** Rows of a batch, at most; a request of more runs by itself. */
  readonly batchRows: number;
  /** How long the first of a batch waits for more, in ms. */
  readonly batchMs: number;
  /** Requests that may wait, in all; more are refused with 429. */
  readonly mostWaiting: number;
}

/** A batch, as it begins. */
export interface BatchBegun {
  readonly key: string;
  readonly rows: number;
}

/** What runs a batch. */
export type Run = (key: string, inputs: Tensors) => Promise<Tensors>;

interface Waiting {
  readonly key: string;
  readonly signature: Signature;
  readonly inputs: Tensors;
  readonly rows: number;
  /** Requests of the same kind may run together; undefined where it runs by itself. */
  readonly kind: string | undefined;
  readonly since: number;
  readonly abandoned: () => boolean;
  readonly resolve: (outputs: Tensors) => void;
  readonly reject: (reason: unknown) => void;
}

export class Batches {
  readonly #run: Run;
  readonly #clock: Clock;
  readonly #options: BatchOptions;
  readonly #onBatch: (batch: BatchBegun) => void;
  #waiting: Waiting[] = [];
  readonly #running = new Set<readonly Waiting[]>();
  /** To be told of the end of each batch. */
  #ended: (() => void)[] = [];
  /** Of models whose outputs have not as many rows as their inputs, whatever their signature says, or are too large. */
  readonly #alone = new Set<string>();
  #cancelTimer: CancelTimer | undefined;
  readonly #soon: (action: () => void) => void;
  #going = false;

  /** @param params.soon calls what it gets once what has come from the network by now has been read. */
  constructor(params: {
    run: Run;
    clock: Clock;
    options: BatchOptions;
    onBatch?: (batch: BatchBegun) => void;
    soon?: (action: () => void) => void;
  }) {
    this.#soon = params.soon ?? setImmediate;
    this.#run = params.run;
    this.#clock = params.clock;
    this.#options = params.options;
    this.#onBatch = params.onBatch ?? (() => undefined);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * @param params.abandoned asked before it is run; true where nobody waits for the answer any more.
   * @throws DrayError `queue-full` where too many wait.
   */
  submit(params: {
    key: string;
    signature: Signature;
    inputs: Tensors;
    rows: number;
    abandoned?: () => boolean;
  }): Promise<Tensors> {
    const { mostWaiting } = this.#options;
    // What free threads take now, and what nobody waits for, does not wait.
    if (this.#waiting.length >= mostWaiting) this.#dropAbandoned();
    if (this.#waiting.length >= mostWaiting) this.#go();
    if (this.#waiting.length >= mostWaiting) {
      throw new DrayError(
        'queue-full',
        `${this.#waiting.length} requests wait for a model already; try again later`,
      );
    }
    const kind = this.#alone.has(params.key) ? undefined : kindOf(params);
    const { abandoned = () => false } = params;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...params, abandoned, kind, since: this.#clock.monotonic(), resolve, reject });
      this.#goSoon();
    });
  }

  /** Resolves once no request of a key waits or runs; none of it may come any more. */
  async drained(key: string): Promise<void> {
    const isOfKey = (one: Waiting): boolean => one.key === key;
    while ([this.#waiting, ...this.#running].some((batch) => batch.some(isOfKey))) {
      await new Promise<void>((resolve) => this.#ended.push(resolve));
    }
  }

  /** Ends what waits. */
  close(): void {
    this.#cancelTimer?.();
    for (const { reject } of this.#waiting) reject(new DrayError('unavailable', 'the server is stopping'));
    this.#waiting = [];
    this.#tellEnded();
  }

  #dropAbandoned(): void {
    this.#waiting = this.#waiting.filter(({ abandoned, reject }) => {
      if (!abandoned()) return true;
      reject(new DrayError('invalid-request', 'the client has gone')); // nobody reads it
      return false;
    });
    this.#tellEnded();
  }

  #tellEnded(): void {
    for (const tell of this.#ended.splice(0)) tell();
  }

  /** Requests that arrive together make one batch, and one message to a thread, rather than one and a rest. */
  #goSoon(): void {
    if (this.#going) return;
    this.#going = true;
    this.#soon(() => {
      this.#going = false;
      this.#go();
    });
  }

  #go(): void {
    while (this.#running.size < this.#options.threads) {
      if (this.#waiting.some(({ abandoned }) => abandoned())) this.#dropAbandoned();
      const first = this.#ripe();
      if (first === undefined) {
        this.#goInTime();
        return;
      }
      const batch = this.#batchOf(first);
      const taken = new Set(batch);
      this.#waiting = this.#waiting.filter((one) => !taken.has(one));
      this.#running.add(batch);
      this.#onBatch({ key: first.key, rows: rowsOf(batch) });
      void this.#runBatch(batch).finally(() => {
        this.#running.delete(batch);
        this.#goSoon();
        this.#tellEnded();
      });
    }
  }

  /** The first that need not wait for company: it has as much as it may, can have none, or has waited for its window. */
  #ripe(): Waiting | undefined {
    const { batchRows } = this.#options;
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#leftMs(oldest) <= 0) return oldest;
    const rows = new Map<string | undefined, number>();
    for (const one of this.#waiting) rows.set(one.kind, (rows.get(one.kind) ?? 0) + one.rows);
    return this.#waiting.find(({ kind }) => kind === undefined || rows.get(kind)! >= batchRows);
  }

  /** Of its window, in ms. */
  #leftMs({ since }: Waiting): number {
    return since + this.#options.batchMs - this.#clock.monotonic();
  }

  /** Once the window of the oldest is over, which is the first to end. */
  #goInTime(): void {
    const [oldest] = this.#waiting;
    if (oldest === undefined) return;
    this.#cancelTimer ??= this.#clock.after(this.#leftMs(oldest), () => {
      this.#cancelTimer = undefined;
      this.#go();
    });
  }

  #batchOf(first: Waiting): Waiting[] {
    if (first.kind === undefined) return [first];
    const most = this.#mostRows();
    const batch = [first];
    let { rows } = first;
    for (const one of this.#waiting) {
      if (one === first || one.kind !== first.kind || one.abandoned()) continue;
      rows += one.rows;
      if (rows > most) break;
      batch.push(one);
    }
    return batch;
  }

  /** Of the next batch. Where several threads are free, each gets its share of what has come. */
  #mostRows(): number {
    const { threads, batchRows, batchMs } = this.#options;
    const free = threads - this.#running.size;
    return batchMs > 0 || free === 1
      ? batchRows
      : Math.min(batchRows, Math.ceil(rowsOf(this.#waiting) / free));
  }

  async #runBatch(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    const { key, signature } = first!;
    try {
      const inputs = Object.fromEntries(
        signature.inputs.map(({ name }) => [name, join(batch.map((one) => one.inputs[name]!))]),
      );
      const outputs = await this.#run(key, inputs);
      const rows = batch.map((one) => one.rows);
      const all = rowsOf(batch);
      if (batch.length > 1 && Object.values(outputs).some(({ dims }) => dims[0] !== all)) {
        this.#alone.add(key);
        throw new Error('its outputs cannot be told apart by rows');
      }
      const parts = Object.entries(outputs).map(([name, tensor]) => ({
        name,
        parts: split(tensor, rows),
      }));
      batch.forEach(({ resolve }, at) =>
        resolve(Object.fromEntries(parts.map(({ name, parts }) => [name, parts[at]!]))),
      );
    } catch (error) {
      await this.#blame(batch, error);
    }
  }

  /** Which of them it was that the model cannot take: the others are none of its business. */
  async #blame(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (isUnavailable(error) || batch.length === 1) {
      for (const { reject } of batch) reject(meant(error));
      return;
    }
    // It would be run twice again and again.
    if (error instanceof DrayError && error.code === 'body-too-large') this.#alone.add(batch[0]!.key);
    for (const { key, inputs, resolve, reject } of batch) {
      await this.#run(key, inputs).then(resolve, (reason: unknown) => reject(meant(reason)));
    }
  }
}

function kindOf({ key, signature, inputs, rows }: Pick<Waiting, 'key' | 'signature' | 'inputs' | 'rows'>) {
  if (!isBatched(signature)) return undefined;
  const tensors = Object.values(inputs);
  if (tensors.some(({ dims }) => dims[0] !== rows)) return undefined;
  return `${key} ${tensors.map(({ dims }) => dims.slice(1).join()).join(';')}`;
}

function rowsOf(batch: readonly Waiting[]): number {
  return batch.reduce((sum, { rows }) => sum + rows, 0);
}

/** What is not known to be the client's fault is the server's, whose log then has it. */
function meant(error: unknown): DrayError {
  if (error instanceof DrayError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new DrayError('internal', reason, { cause: error });
}
