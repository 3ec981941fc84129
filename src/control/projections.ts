/** Tells the end of jobs to those who look for it elsewhere: at least once, and never by events, which may be lost. */
import type { Clock } from '../clock.js';
import type { Job } from '../engine/engine.js';
import type { TaskLog } from '../tasks/task.js';
import { Loop } from './loop.js';

/** Where ends of jobs are noted until they are delivered. */
export interface ProjectedJobs {
  get(params: { id: string }): Promise<Job | undefined>;
  /** Jobs that ended and whose end is not delivered; the oldest end first. */
  projections(params: {
    limit: number;
  }): Promise<readonly { readonly id: string; readonly projection: string; readonly mark: string }[]>;
  /** @param params.marks of the ends that were delivered: a job may have ended again meanwhile. */
  projected(params: { marks: readonly string[] }): Promise<void>;
}

/** Delivers the end of a job; again is harmless. */
export type Projection = (job: Job) => Promise<void>;

const intervalMs = 250;
const batch = 256;
/** So many of those that could not be delivered are passed over in one reading. */
const mostFailing = 1_024;
/** A job that cannot be delivered so often, while others can, is given up. */
const mostTries = 20;

export class Projections {
  readonly #engine: ProjectedJobs;
  readonly #projections: ReadonlyMap<string, Projection>;
  readonly #log: TaskLog;
  readonly #loop: Loop;
  /** By job: how often it could not be delivered while others could. */
  readonly #failing = new Map<string, number>();
  #trouble = false;

  constructor(params: {
    engine: ProjectedJobs;
    /** By their names. */
    projections: ReadonlyMap<string, Projection>;
    clock: Clock;
    log: TaskLog;
  }) {
    this.#engine = params.engine;
    this.#projections = params.projections;
    this.#log = params.log;
    this.#loop = new Loop({ clock: params.clock, intervalMs, pass: () => this.#tryPass() });
  }

  start(): void {
    void this.#loop.start();
  }

  /** Waits for the deliveries in flight. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #tryPass(): Promise<void> {
    try {
      while ((await this.#deliverSome()) === batch && this.#loop.running);
      if (this.#trouble) this.#log.info('ends of jobs are delivered again');
      this.#trouble = false;
    } catch (error) {
      if (!this.#trouble) this.#log.warn('ends of jobs could not be delivered', { error: String(error) });
      this.#trouble = true;
    }
  }

  /** @returns how many were delivered. @throws the first failure where none was. */
  async #deliverSome(): Promise<number> {
    const limit = batch + Math.min(mostFailing, this.#failing.size);
    const found = await this.#engine.projections({ limit });
    const outcomes = await Promise.allSettled(found.map((one) => this.#deliver(one)));
    const failed = found.filter((_, index) => outcomes[index]!.status === 'rejected');
    const done = found.filter((_, index) => outcomes[index]!.status === 'fulfilled');
    // Where nothing gets through it is no job's fault.
    if (failed.length > 0 && done.length === 0) {
      throw (outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult).reason;
    }
    const givenUp = failed.filter(({ id }) => this.#failed(id));
    const told = [...done, ...givenUp];
    if (told.length > 0) await this.#engine.projected({ marks: told.map(({ mark }) => mark) });
    for (const { id } of told) this.#failing.delete(id);
    return Math.min(batch, done.length);
  }

  async #deliver({ id, projection }: { id: string; projection: string }): Promise<void> {
    const deliver = this.#projections.get(projection);
    if (!deliver) throw new Error(`nothing here delivers "${projection}"`);
    const job = await this.#engine.get({ id });
    if (job) await deliver(job);
  }

  /** @returns true where it is given up. */
  #failed(id: string): boolean {
    const tries = (this.#failing.get(id) ?? 0) + 1;
    this.#failing.set(id, tries);
    if (tries < mostTries) return false;
    this.#log.warn('the end of a job cannot be delivered, and is given up', { job: id, tries });
    return true;
  }
}
