/**
 * The executors of a worker: one warm child per slot, replaced when it dies or has grown too large. The number of
 * slots may change at any time; a busy executor always finishes its job first.
 */
import { Executor, type ExecutorOptions } from './executor.js';

export class ExecutorPool {
  readonly #options: ExecutorOptions;
  readonly #cores: number;
  readonly #onFreed: () => void;
  readonly #idle: Executor[] = [];
  readonly #busy = new Set<Executor>();
  /** Those who wait for an executor, in the order of asking. */
  readonly #waiting = new Set<(executor: Executor) => void>();
  /** Those that were told to end and are not gone yet. */
  readonly #ending = new Set<Promise<void>>();
  #size: number;
  /** The number of threads that the busy ones were last told. */
  #toldThreads = 0;
  #closing = false;

  /** @param params.onFreed called when an executor has become idle. */
  constructor(params: { size: number; cores: number; executor: ExecutorOptions; onFreed: () => void }) {
    this.#options = params.executor;
    this.#cores = params.cores;
    this.#onFreed = params.onFreed;
    this.#size = params.size;
  }

  start(): void {
    this.#fill();
  }

  /** How many executors there should be; above it there are only busy ones that have not finished yet. */
  get size(): number {
    return this.#size;
  }

  /** Starts executors, or ends idle ones; where too few are idle, the next that finish end. */
  resize(size: number): void {
    if (this.#closing || size === this.#size) return;
    this.#size = size;
    while (this.#surplus > 0 && this.#idle.length > 0) this.#end(this.#idle.shift()!);
    this.#fill();
    this.#handOut();
    this.#onFreed();
  }

  get busy(): number {
    return this.#busy.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Threads that one busy executor may use now, so that a lone job has the whole machine and several do not fight. */
  get threads(): number {
    return Math.max(1, Math.floor(this.#cores / Math.max(1, this.#busy.size)));
  }

  get all(): readonly Executor[] {
    return [...this.#busy, ...this.#idle];
  }

  /** The next executor, first come first served; undefined where the signal aborts before there is one. */
  acquire(signal: AbortSignal): Promise<Executor | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const giveUp = () => {
        this.#waiting.delete(take);
        resolve(undefined);
      };
      const take = (executor: Executor) => {
        signal.removeEventListener('abort', giveUp);
        resolve(executor);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.add(take);
      this.#handOut();
    });
  }

  release(executor: Executor): void {
    this.#busy.delete(executor);
    if (executor.usable && !executor.bloated && this.#surplus < 0) this.#idle.push(executor);
    else this.#end(executor);
    this.#fill();
    this.#handOut();
    this.#onFreed();
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const executor of this.all) this.#end(executor);
    this.#idle.length = 0;
    await Promise.all(this.#ending);
  }

  /** How many more there are than there should be. */
  get #surplus(): number {
    return this.#idle.length + this.#busy.size - this.#size;
  }

  /** New ones go to the front: the warmest is at the end, where the next job takes it. */
  #fill(): void {
    while (!this.#closing && this.#surplus < 0) this.#idle.unshift(new Executor(this.#options));
  }

  #end(executor: Executor): void {
    const gone = executor.close().finally(() => this.#ending.delete(gone));
    this.#ending.add(gone);
  }

  #handOut(): void {
    for (const take of this.#waiting) {
      if (this.#busy.size >= this.#size) break;
      this.#waiting.delete(take);
      const warm = this.#idle.pop();
      const executor = warm?.usable ? warm : new Executor(this.#options);
      this.#busy.add(executor);
      take(executor);
    }
    if (this.threads === this.#toldThreads) return;
    this.#toldThreads = this.threads;
    for (const executor of this.#busy) executor.setThreads(this.threads);
  }
}
