/** Refuses what is new while too much waits or the disk is nearly full. */
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { leastFree } from '../jobs/retention.js';
import { Loop } from './loop.js';
import type { Disk } from './retention.js';

const intervalMs = 1_000;

/** @returns why nothing new can be taken now, where that is so. */
export type Measure = () => Promise<DrayError | undefined>;

/**
 * Measures once a second, so that a request costs nothing more: what comes within that second may go beyond the
 * bound.
 */
export class Bound {
  readonly #loop: Loop;
  readonly #measure: Measure;
  #refusal: DrayError | undefined;

  constructor(params: { clock: Clock; measure: Measure }) {
    this.#measure = params.measure;
    this.#loop = new Loop({ clock: params.clock, intervalMs, pass: () => this.#look() });
  }

  /** Resolves when there is a first figure. */
  start(): Promise<void> {
    return this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Why nothing new is taken now, by the latest figure. */
  get refusal(): DrayError | undefined {
    return this.#refusal;
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
    return new DrayError('queue-full', detail);
  };
}

/** Leaves room for what the accepted jobs have yet to write. @param minFree bytes; by default a share of the disk. */
export function diskBound(disk: Pick<Disk, 'space'>, minFree: number | undefined): Measure {
  return async () => {
    const space = await disk.space();
    const least = leastFree(space, minFree);
    if (space.free >= least) return undefined;
    const detail = `the disk of the data folder has ${space.free} bytes left, and below ${least} nothing new is taken (--min-free)`;
    return new DrayError('storage-full', detail);
  };
}

/** A store in memory: what is left above is for the ends of what was accepted. */
const mostMemoryShare = 0.8;

/** @param memory of the store, in bytes; `max` is 0 where it has no bound of its own. */
export function memoryBound(memory: () => Promise<{ readonly used: number; readonly max: number }>): Measure {
  return async () => {
    const { used, max } = await memory();
    if (max === 0 || used < mostMemoryShare * max) return undefined;
    const detail = `Redis uses ${used} bytes of its maxmemory of ${max}, and above ${mostMemoryShare * 100} % no new jobs are taken; raise it, or keep fewer finished jobs (--keep-jobs, --keep-for)`;
    return new DrayError('storage-full', detail);
  };
}

/** What the first of them says that refuses. */
export function anyOf(measures: readonly Measure[]): Measure {
  return async () => {
    const refusals = await Promise.all(measures.map((measure) => measure()));
    return refusals.find((refusal) => refusal !== undefined);
  };
}
