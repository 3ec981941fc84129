/** The executors of a worker: one warm child per slot, replaced when it dies or has grown too large. */
import { Executor, type ExecutorOptions } from './executor.js';

export class ExecutorPool {
  readonly #options: ExecutorOptions;
  readonly #size: number;
  readonly #cores: number;
  readonly #idle: Executor[] = [];
  readonly #busy = new Set<Executor>();
  #closing = false;

  constructor(params: { size: number; cores: number; executor: ExecutorOptions }) {
    this.#options = params.executor;
    this.#size = params.size;
    this.#cores = params.cores;
  }

  start(): void {
    while (this.#idle.length < this.#size) this.#idle.push(new Executor(this.#options));
  }

  /** Threads that one busy executor may use now, so that a lone job has the whole machine and several do not fight. */
  get threads(): number {
    return Math.max(1, Math.floor(this.#cores / Math.max(1, this.#busy.size)));
  }

  get all(): readonly Executor[] {
    return [...this.#busy, ...this.#idle];
  }

  /** An executor for one job; the caller has a free slot, so there is always one. */
  acquire(): Executor {
    const warm = this.#idle.pop();
    const executor = warm?.usable ? warm : new Executor(this.#options);
    this.#busy.add(executor);
    this.#shareThreads(executor);
    return executor;
  }

  release(executor: Executor): void {
    this.#busy.delete(executor);
    if (executor.usable && !executor.bloated) this.#idle.push(executor);
    else {
      executor.kill();
      if (!this.#closing) this.#idle.unshift(new Executor(this.#options));
    }
    this.#shareThreads(undefined);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.all.map((executor) => executor.close()));
    this.#idle.length = 0;
  }

  #shareThreads(except: Executor | undefined): void {
    for (const executor of this.#busy) if (executor !== except) executor.setThreads(this.threads);
  }
}
