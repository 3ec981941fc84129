/**
 * The runners of a worker: one per slot, kept warm, replaced when it can take no more jobs. The number of slots may
 * change at any time; a busy runner always finishes its job first.
 */
import type { Runner } from './runner.js';

export class RunnerPool {
  readonly #create: () => Runner;
  readonly #cores: number;
  readonly #onFreed: () => void;
  readonly #idle: Runner[] = [];
  readonly #busy = new Set<Runner>();
  /** Those who wait for a runner, in the order of asking. */
  readonly #waiting = new Set<(runner: Runner) => void>();
  /** Those that were told to end and are not gone yet. */
  readonly #ending = new Set<Promise<void>>();
  #size: number;
  /** The number of threads that the busy ones were last told. */
  #toldThreads = 0;
  #closing = false;

  /** @param params.onFreed called when a runner has become idle. */
  constructor(params: { size: number; cores: number; create: () => Runner; onFreed: () => void }) {
    this.#create = params.create;
    this.#cores = params.cores;
    this.#onFreed = params.onFreed;
    this.#size = params.size;
  }

  start(): void {
    this.#fill();
  }

  /** How many runners there should be; above it there are only busy ones that have not finished yet. */
  get size(): number {
    return this.#size;
  }

  /** Starts runners, or ends idle ones; where too few are idle, the next that finish end. */
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

  /** Threads that one busy runner may use now, so that a lone job has the whole machine and several do not fight. */
  get threads(): number {
    return Math.max(1, Math.floor(this.#cores / Math.max(1, this.#busy.size)));
  }

  get all(): readonly Runner[] {
    return [...this.#busy, ...this.#idle];
  }

  /** The next runner, first come first served; undefined where the signal aborts before there is one. */
  acquire(signal: AbortSignal): Promise<Runner | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const giveUp = () => {
        this.#waiting.delete(take);
        resolve(undefined);
      };
      const take = (runner: Runner) => {
        signal.removeEventListener('abort', giveUp);
        resolve(runner);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.add(take);
      this.#handOut();
    });
  }

  release(runner: Runner): void {
    this.#busy.delete(runner);
    if (runner.usable && this.#surplus < 0) this.#idle.push(runner);
    else this.#end(runner);
    this.#fill();
    this.#handOut();
    this.#onFreed();
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const runner of this.all) this.#end(runner);
    this.#idle.length = 0;
    await Promise.all(this.#ending);
  }

  /** How many more there are than there should be. */
  get #surplus(): number {
    return this.#idle.length + this.#busy.size - this.#size;
  }

  /** New ones go to the front: the warmest is at the end, where the next job takes it. */
  #fill(): void {
    while (!this.#closing && this.#surplus < 0) this.#idle.unshift(this.#create());
  }

  #end(runner: Runner): void {
    const gone = runner.close().finally(() => this.#ending.delete(gone));
    this.#ending.add(gone);
  }

  #handOut(): void {
    for (const take of this.#waiting) {
      if (this.#busy.size >= this.#size) break;
      this.#waiting.delete(take);
      const warm = this.#idle.pop();
      const runner = warm?.usable ? warm : this.#create();
      this.#busy.add(runner);
      take(runner);
    }
    if (this.threads === this.#toldThreads) return;
    this.#toldThreads = this.threads;
    for (const runner of this.#busy) runner.setThreads(this.threads);
  }
}
