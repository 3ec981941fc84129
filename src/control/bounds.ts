/** Refuses what is new while too much waits or the disk is nearly full. */
import type { CancelTimer, Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { DrayError, type ErrorCode } from '../jobs/errors.js';
import { leastFree } from '../jobs/retention.js';
import type { Disk } from './retention.js';

const intervalMs = 1_000;

interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** @returns why nothing new can be taken now, where that is so. */
type Measure = () => Promise<Refusal | undefined>;

/**
 * Measures once a second, so that a request costs nothing more: what comes within that second may go beyond the
 * bound.
 */
export class Bound {
  readonly #clock: Clock;
  readonly #measure: Measure;
  #refusal: Refusal | undefined;
  #running = false;
  #cancelTimer: CancelTimer | undefined;
  #pass: Promise<void> | undefined;

  constructor(params: { clock: Clock; measure: Measure }) {
    this.#clock = params.clock;
    this.#measure = params.measure;
  }

  /** Resolves when there is a first figure. */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    await this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelTimer?.();
    await this.#pass;
  }

  /** @throws DrayError with the bound's code. */
  refuseWhenFull(): void {
    if (this.#refusal) throw new DrayError(this.#refusal.code, this.#refusal.detail);
  }

  #run(): Promise<void> {
    this.#pass = this.#look().then(() => {
      if (this.#running) this.#cancelTimer = this.#clock.after(intervalMs, () => void this.#run());
    });
    return this.#pass;
  }

  /** A store or disk that does not answer refuses by itself, so the latest figure stays. */
  async #look(): Promise<void> {
    try {
      this.#refusal = await this.#measure();
    } catch {
      return;
    }
  }
}

/** @param maxWaiting of scheduled and pending jobs together. */
export function queueBound(engine: Pick<Engine, 'counts'>, maxWaiting: number): Measure {
  return async () => {
    const types = await engine.counts();
    const waiting = types.reduce((sum, { jobs }) => sum + jobs.scheduled + jobs.pending, 0);
    if (waiting < maxWaiting) return undefined;
    const detail = `${waiting} jobs wait, and --max-waiting allows ${maxWaiting}; try again when some have run`;
    return { code: 'queue-full', detail };
  };
}

/** Leaves room for what the accepted jobs have yet to write. @param minFree bytes; by default a share of the disk. */
export function diskBound(disk: Pick<Disk, 'space'>, minFree: number | undefined): Measure {
  return async () => {
    const space = await disk.space();
    const least = leastFree(space, minFree);
    if (space.free >= least) return undefined;
    const detail = `the disk of the data folder has ${space.free} bytes left, and below ${least} nothing new is taken (--min-free)`;
    return { code: 'storage-full', detail };
  };
}
