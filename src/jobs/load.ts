/**
 * Estimates the load from successive readings of an engine's counts, for the scaling rule. Pure: state and
 * reading in, state out; readings may come at any times.
 *
 * How often jobs come fades with time: what happened 15 s ago counts for 1/e. How long they take fades with
 * evidence: a job counts for 1/e after 50 later ones of its type, so that a quiet night forgets nothing.
 *
 * Only completed attempts teach how long jobs take, and only submits count as arrivals. A type whose attempts all
 * fail is therefore taken for a short one; that its jobs then wait is what the rule's slo is there for.
 */
import type { ScalingSnapshot } from './scaling.js';

/** What the estimate needs of an engine's counts of one type. */
export interface CountedType {
  readonly type: string;
  readonly jobs: { readonly pending: number };
  /** Of the pending jobs, those that wait for a place of their key: more workers would not help them. */
  readonly held: number;
  /** True where nothing of the type is handed out, so that nothing of it is a backlog. */
  readonly paused: boolean;
  readonly pendingWork: number;
  /** Milliseconds since the epoch. */
  readonly oldestPendingAt?: number;
  /** Counted up from some moment that a restart may move. */
  readonly totals: {
    readonly submitted: number;
    readonly attempts: { readonly completed: number };
    readonly ranMs: number;
    readonly work: number;
  };
}

export interface LoadReading {
  /** When it was taken, in ms of a clock that never jumps. */
  readonly at: number;
  /** The same moment by the wall clock, in ms since the epoch. */
  readonly now: number;
  readonly types: readonly CountedType[];
}

/** The state between readings. Its size is that of one reading. */
export interface LoadEstimate {
  readonly at: number;
  /** For how long arrivals have been watched, in ms; fades as they do, so that it never exceeds `rateMemoryMs`. */
  readonly watchedMs: number;
  /** In seconds. */
  readonly oldestAge: number;
  readonly types: ReadonlyMap<string, TypeEstimate>;
}

interface TypeEstimate {
  readonly counted: CountedType;
  /** Fading sums: of arrivals by time, of the others by completed jobs. */
  readonly arrivals: number;
  readonly completed: number;
  readonly ranMs: number;
  readonly work: number;
}

/**
 * How many seconds a job is taken to run while none of its type has completed, whatever its work: of a unit of
 * work nothing is known then. The first completion replaces it.
 */
export const assumedServiceTime = 1;

const rateMemoryMs = 15_000;
const evidenceJobs = 50;
/** Less watching than this counts as this: a job in the first millisecond is no rate of a thousand a second. */
const shortestWatchMs = 500;
/** When less than this is left of past arrivals, none are left: a fading sum by itself would take hours to be 0. */
const fewestArrivals = 0.01;

const nothing = { submitted: 0, attempts: { completed: 0 }, ranMs: 0, work: 0 };
const noEvidence = { arrivals: 0, completed: 0, ranMs: 0, work: 0 };

/**
 * Takes in the next reading. The first one tells how long jobs take, where totals have it, but no rate: since
 * when its totals were counted is not known. A type that only later readings have had no jobs before, and one
 * whose totals are lower than before was counted from 0 anew.
 */
export function observe(previous: LoadEstimate | undefined, reading: LoadReading): LoadEstimate {
  const passedMs = previous ? reading.at - previous.at : 0;
  const types = reading.types.map((counted): [string, TypeEstimate] => {
    const known = previous?.types.get(counted.type);
    const { totals } = counted;
    const since = known && !wentBack(known.counted.totals, totals) ? known.counted.totals : nothing;
    const evidence = known ?? noEvidence;
    const arrived = totals.submitted - (previous ? since : totals).submitted;
    const completed = totals.attempts.completed - since.attempts.completed;
    const learn = (sum: number, added: number) => fade(sum, added, completed / evidenceJobs);
    const arrivals = fade(evidence.arrivals, arrived, passedMs / rateMemoryMs);
    const estimate: TypeEstimate = {
      counted,
      arrivals: arrivals < fewestArrivals ? 0 : arrivals,
      completed: learn(evidence.completed, completed),
      ranMs: learn(evidence.ranMs, totals.ranMs - since.ranMs),
      work: learn(evidence.work, totals.work - since.work),
    };
    return [counted.type, estimate];
  });
  return {
    at: reading.at,
    watchedMs: fade(previous?.watchedMs ?? 0, passedMs, passedMs / rateMemoryMs),
    oldestAge: Math.max(0, ...reading.types.map((counted) => ageOf(counted, reading.now))),
    types: new Map(types),
  };
}

/**
 * The load of all types together. `arrivalRate × serviceTime` is the number of slots that arriving jobs keep
 * busy: the mean of the service times is weighted by the rates. Where nothing arrives it is weighted by
 * completed jobs, and 0 where there are none.
 */
export function snapshotOf(
  estimate: LoadEstimate,
  workers: { readonly busyWorkers: number; readonly currentWorkers: number },
): ScalingSnapshot {
  const types = [...estimate.types.values()];
  const sum = (of: (type: TypeEstimate) => number) => types.reduce((total, type) => total + of(type), 0);
  const watchedSeconds = Math.max(shortestWatchMs, estimate.watchedMs) / 1_000;
  const arrivals = sum((type) => type.arrivals);
  const weight = (type: TypeEstimate) =>
    arrivals > 0 ? type.arrivals : isMeasured(type) ? type.completed : 0;
  const weights = sum(weight);
  return {
    arrivalRate: arrivals / watchedSeconds,
    serviceTime: weights > 0 ? sum((type) => weight(type) * serviceTimeOf(type)) / weights : 0,
    backlogJobs: sum(({ counted }) => releasedOf(counted)),
    backlogSeconds: sum(backlogSecondsOf),
    oldestAge: estimate.oldestAge,
    ...workers,
  };
}

/**
 * Adds to a sum that fades by e^-amount meanwhile. What is added came evenly over that span, so part of it has
 * faded already; a constant rate is estimated without bias then, however unevenly it is read.
 */
function fade(sum: number, added: number, amount: number): number {
  if (amount <= 0) return sum + added;
  return sum * Math.exp(-amount) + (added * -Math.expm1(-amount)) / amount;
}

function wentBack(before: CountedType['totals'], after: CountedType['totals']): boolean {
  return (
    after.submitted < before.submitted ||
    after.attempts.completed < before.attempts.completed ||
    after.ranMs < before.ranMs ||
    after.work < before.work
  );
}

/** A run time of 0 is one that nobody measured. NaN is let through: the rule finds it, and answers unknown. */
function isMeasured({ completed, ranMs, work }: TypeEstimate): boolean {
  return completed !== 0 && ranMs !== 0 && work !== 0;
}

function serviceTimeOf(type: TypeEstimate): number {
  return isMeasured(type) ? type.ranMs / 1_000 / type.completed : assumedServiceTime;
}

/** The jobs that a free worker would get. */
function releasedOf({ jobs, held, paused }: CountedType): number {
  return paused ? 0 : jobs.pending - held;
}

function backlogSecondsOf(type: TypeEstimate): number {
  const { paused, pendingWork } = type.counted;
  if (paused) return 0;
  return isMeasured(type)
    ? (pendingWork * type.ranMs) / 1_000 / type.work
    : releasedOf(type.counted) * assumedServiceTime;
}

function ageOf({ oldestPendingAt, paused }: CountedType, now: number): number {
  return oldestPendingAt === undefined || paused ? 0 : (now - oldestPendingAt) / 1_000;
}
