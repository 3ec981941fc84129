/** Tells the end of jobs to those who look for it elsewhere: at least once, and never by events, which may be lost. */
import type { Clock } from '../clock.js';
import type { Engine, Job, UntoldEnd } from '../engine/engine.js';
import { isFinal } from '../jobs/life-cycle.js';
import { isPermanent, type TaskLog } from '../tasks/task.js';
import { Loop } from './loop.js';

/**
 * Delivers the end of a job; again is harmless. Where it rejects, the end is delivered again later, as long as the job
 * is kept; a PermanentError says that it never can be, and gives it up.
 *
 * @param rest what the job's projection has behind the name and a colon; '' where there is nothing.
 */
export type Projection = (job: Job, rest: string) => Promise<void>;

const intervalMs = 250;
const batch = 256;
/** Deliveries of a name at a time: each may hold some MiB. */
const atOnce = 8;
/** An end that could not be delivered is tried again after about as long as it has waited, within these bounds, in ms. */
const again = { least: 1_000, most: 60_000 };
/**
 * Where so many fail at once and none gets through it is no job's fault: then all of that name rest. None of them is
 * begun once none has got through for `mostMs`: a target that hangs must not keep other names, or a stop, waiting.
 */
const away = { from: 16, restMs: 15_000, mostMs: 10_000 };
/** A later version, or another option, may know the name. In ms. */
const unknownMs = 60_000;
/** Of each name something is said at most so often, in ms. */
const warnMs = 60_000;

interface Named extends UntoldEnd {
  readonly rest: string;
}

/** An end that was not delivered, and why. */
interface Missed {
  readonly end: UntoldEnd;
  readonly waitedMs: number;
  readonly error: unknown;
}

export class Projections {
  readonly #engine: Pick<Engine, 'get' | 'projections' | 'projected'>;
  readonly #projections: ReadonlyMap<string, Projection>;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #loop: Loop;
  /** Of names, until when they rest, and until when nothing more is said of them, by the monotonic clock. */
  readonly #resting = new Map<string, number>();
  readonly #silent = new Map<string, number>();

  constructor(params: {
    engine: Pick<Engine, 'get' | 'projections' | 'projected'>;
    /** By their names, which have no colon. */
    projections: ReadonlyMap<string, Projection>;
    clock: Clock;
    log: TaskLog;
  }) {
    this.#engine = params.engine;
    this.#projections = params.projections;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#loop = new Loop({ clock: params.clock, intervalMs, pass: () => this.#pass() });
  }

  /** Where nothing is delivered here, nothing is read. */
  start(): void {
    if (this.#projections.size > 0) void this.#loop.start();
  }

  /** Waits for the deliveries in flight. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #pass(): Promise<void> {
    try {
      while ((await this.#deliverSome()) === batch && this.#loop.running);
    } catch (error) {
      this.#warn('', 'the store does not say which ends of jobs are to be delivered', {
        error: String(error),
      });
    }
  }

  /** @returns how many there were: each is delivered or put off, so that none keeps those behind it waiting. */
  async #deliverSome(): Promise<number> {
    const found = await this.#engine.projections({ limit: batch });
    const byName = new Map<string, Named[]>();
    for (const end of found) {
      const [name = ''] = end.projection.split(':', 1);
      const named = { ...end, rest: end.projection.slice(name.length + 1) };
      byName.set(name, [...(byName.get(name) ?? []), named]);
    }
    // All have ended before the next reading, also where the store goes away under one of them.
    const outcomes = await Promise.allSettled(
      [...byName].map(([name, ends]) => this.#deliverAll(name, ends)),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    return found.length;
  }

  async #deliverAll(name: string, ends: readonly Named[]): Promise<void> {
    const projection = this.#projections.get(name);
    if (!projection) {
      this.#warn('', 'nothing here delivers such ends of jobs', { projection: name, jobs: ends.length });
      return this.#putOff(ends, unknownMs);
    }
    const restMs = (this.#resting.get(name) ?? -Infinity) - this.#clock.monotonic();
    if (restMs > 0) return this.#putOff(ends, restMs);
    const jobs = await Promise.all(ends.map(({ id }) => this.#engine.get({ id })));
    const { done, missed } = await this.#deliverEach(projection, ends, jobs);
    if (done.length > 0) await this.#engine.projected({ ends: done.map(({ mark }) => ({ mark })) });
    if (missed.length > 0) await this.#tryAgain(name, missed, { isAway: done.length === 0 });
    else if (done.length > 0 && this.#resting.delete(name))
      this.#log.info('ends of jobs are delivered again', { projection: name });
  }

  /** Those that it does not come to are as they were. */
  async #deliverEach(
    projection: Projection,
    ends: readonly Named[],
    jobs: readonly (Job | undefined)[],
  ): Promise<{ done: readonly Named[]; missed: readonly Missed[] }> {
    const [done, missed]: [Named[], Missed[]] = [[], []];
    const since = this.#clock.monotonic();
    const hangs = () => done.length === 0 && this.#clock.monotonic() - since > away.mostMs;
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < ends.length && this.#loop.running && !hangs()) {
        const at = next++;
        const end = ends[at]!;
        const failure = await this.#deliver(projection, end, jobs[at]);
        if (failure) missed.push(failure);
        else done.push(end);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
    return { done, missed };
  }

  /** @returns undefined where the end is done with: delivered, given up, or of a job that was removed or re-driven. */
  async #deliver(projection: Projection, end: Named, job: Job | undefined): Promise<Missed | undefined> {
    try {
      if (job && isFinal(job.status)) await projection(job, end.rest);
      return undefined;
    } catch (error) {
      const waitedMs = this.#clock.now() - (job?.finishedAt ?? 0);
      if (!isPermanent(error)) return { end, waitedMs, error };
      this.#log.warn('the end of a job cannot be delivered', { job: end.id, error: error.message });
      return undefined;
    }
  }

  async #tryAgain(name: string, missed: readonly Missed[], { isAway }: { isAway: boolean }): Promise<void> {
    const [{ end, error }] = missed as readonly [Missed, ...Missed[]];
    const about = { projection: name, jobs: missed.length, job: end.id, error: String(error) };
    this.#warn(name, 'ends of jobs could not be delivered, and are tried again', about);
    if (isAway && missed.length >= away.from) {
      this.#resting.set(name, this.#clock.monotonic() + away.restMs);
      return this.#putOff(
        missed.map((one) => one.end),
        away.restMs,
      );
    }
    await this.#engine.projected({
      ends: missed.map((one) => ({
        mark: one.end.mark,
        againInMs: Math.min(again.most, Math.max(again.least, one.waitedMs)),
      })),
    });
  }

  #putOff(ends: readonly UntoldEnd[], ms: number): Promise<void> {
    const againInMs = Math.max(intervalMs, ms);
    return this.#engine.projected({ ends: ends.map(({ mark }) => ({ mark, againInMs })) });
  }

  #warn(name: string, message: string, details: Record<string, unknown>): void {
    const now = this.#clock.monotonic();
    if (now < (this.#silent.get(name) ?? -Infinity)) return;
    this.#silent.set(name, now + warnMs);
    this.#log.warn(message, details);
  }
}
