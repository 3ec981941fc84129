/**
 * The runners of a worker: one per slot, kept warm, replaced when it can take no more jobs. The number of slots may
 * change at any time; a busy runner always finishes its job first.
 */
import type { Runner, Stop } from './runner.js';

export class RunnerPool {
  readonly #create: () => Runner;
  readonly #cores: number;
  readonly #onFreed: () => void;
  readonly #idle: Runner[] = [];
  /** With how many jobs each has, those included that wait in it. */
  readonly #busy = new Map<Runner, number>();
  /** The jobs of all of them. */
  #held = 0;
  /** How many jobs a runner may have that lets others wait in it. */
  depth = 1;
  /** Those who wait for a runner, in the order of asking. */
  readonly #waiting = new Set<(runner: Runner | undefined) => void>();
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

  /** How many jobs wait for their turn, here or in a runner. */
  get waiting(): number {
    return this.#waiting.size + this.#held - this.#busy.size;
  }

  /** Threads that one busy runner may use now, so that a lone job has the whole machine and several do not fight. */
  get threads(): number {
    return Math.max(1, Math.floor(this.#cores / Math.max(1, this.#busy.size)));
  }

  get all(): readonly Runner[] {
    return [...this.#busy.keys(), ...this.#idle];
  }

  /** A runner that has room, if nobody waits for one. */
  take(): Runner | undefined {
    const runner = this.#waiting.size === 0 ? this.#room() : undefined;
    if (runner) this.#give(runner);
    return runner;
  }

  /** The next runner that has room, first come first served; undefined where it is stopped before there is one. */
  acquire(stop: Stop): Promise<Runner | undefined> {
    return new Promise((resolve) => {
      const take = (runner: Runner | undefined): void => {
        this.#waiting.delete(take);
        stop.listen(undefined);
        resolve(runner);
      };
      this.#waiting.add(take);
      stop.listen(() => take(undefined));
      this.#handOut();
    });
  }

  /** Each job that was given to a runner ends with this. */
  release(runner: Runner): void {
    const left = this.#busy.get(runner)! - 1;
    this.#held -= 1;
    if (left > 0) this.#busy.set(runner, left);
    else {
      this.#busy.delete(runner);
      if (runner.usable && this.#surplus < 0) this.#idle.push(runner);
      else this.#end(runner);
    }
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

  /** An idle runner, else the busy one with the fewest jobs where another may wait in it. */
  #room(): Runner | undefined {
    if (this.#busy.size < this.#size) {
      const warm = this.#idle.pop();
      return warm?.usable ? warm : this.#create();
    }
    if (this.#busy.size > this.#size) return undefined;
    let best: Runner | undefined;
    let fewest = this.depth;
    for (const [runner, jobs] of this.#busy) {
      if (jobs >= fewest || !runner.queues || !runner.usable) continue;
      best = runner;
      fewest = jobs;
    }
    return best;
  }

  #give(runner: Runner): void {
    this.#busy.set(runner, (this.#busy.get(runner) ?? 0) + 1);
    this.#held += 1;
    this.#tellThreads();
  }

  #handOut(): void {
    for (const take of this.#waiting) {
      const runner = this.#room();
      if (!runner) break;
      this.#give(runner);
      take(runner);
    }
    this.#tellThreads();
  }

  #tellThreads(): void {
    if (this.threads === this.#toldThreads) return;
    this.#toldThreads = this.threads;
    for (const runner of this.#busy.keys()) runner.setThreads(this.threads);
  }
}
