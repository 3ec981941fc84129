/** The resident memory of a server while something is done to it. Linux only, as the figure comes from /proc. */
import { systemClock, type CancelTimer } from '../../src/clock.js';
import { MiB } from '../../src/jobs/limits.js';
import { residentMemory } from '../../src/worker/resident-memory.js';

const everyMs = 50;

export class MemoryWatch {
  readonly #before: number;
  readonly #stop: CancelTimer;
  #most: number;

  constructor(pid: number) {
    this.#before = this.#most = residentMemory(pid);
    this.#stop = systemClock.every(everyMs, () => {
      this.#most = Math.max(this.#most, residentMemory(pid));
    });
  }

  /** By how many MiB it has grown at most since the beginning. */
  get grownMiB(): number {
    return Math.round((this.#most - this.#before) / MiB);
  }

  end(): void {
    this.#stop();
  }
}
