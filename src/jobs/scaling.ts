/**
 * The scaling rule: how many workers a pool should have. A pure function of what is measured and what is wanted,
 * whose every term is part of the answer.
 *
 *     need    = ceil((arrivalRate * serviceTime + backlogSeconds / drainTarget) / (slotsPerWorker * utilisation))
 *     desired = clamp(max(need, busyWorkers, oldestAge > slo ? current + 1 : 0), min, max)
 */

/** What is wanted. Times in seconds. */
export interface ScalingPolicy {
  readonly slotsPerWorker: number;
  /** The share of its slots that a worker should have busy, in (0, 1]. */
  readonly utilisation: number;
  /** The time in which a backlog should be worked off. */
  readonly drainTarget: number;
  /** The longest that a job should wait. */
  readonly slo: number;
  readonly min: number;
  readonly max: number;
}

/** What is measured. Times in seconds, rates in jobs a second. */
export interface ScalingSnapshot {
  readonly arrivalRate: number;
  /** Mean time that a job keeps a slot busy. */
  readonly serviceTime: number;
  /** Pending jobs. */
  readonly backlogJobs: number;
  /** The time that the pending jobs will keep slots busy, together. */
  readonly backlogSeconds: number;
  /** How long the pending job has waited that has waited longest; 0 where none is pending. */
  readonly oldestAge: number;
  readonly busyWorkers: number;
  readonly currentWorkers: number;
}

/** Unknown is an answer of its own, and never a number: who scales by it must leave everything as it is. */
export type ScalingPlan =
  | {
      readonly kind: 'known';
      readonly desired: number;
      readonly need: number;
      readonly snapshot: ScalingSnapshot;
      readonly policy: ScalingPolicy;
    }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Of each pool that there is, by its name. */
export type PoolPlans = ReadonlyMap<string, ScalingPlan>;

/** The formula's terms by which the figure is decided, as `decidedBy` takes them. */
export interface DecisiveTerms {
  readonly need: number;
  readonly busyWorkers: number;
  readonly currentWorkers: number;
  readonly oldestAge: number;
  readonly slo: number;
  readonly min: number;
  readonly max: number;
}

/** `late`: the oldest job waits longer than the slo. */
export type DecidingTerm = 'need' | 'busy' | 'late' | 'min' | 'max';

/** What rounding may add to a quotient that is whole, as a share of it: 2.1 / 0.7 must need 3 workers, not 4. */
const roundingNoise = 1e-9;

/** Never throws, and never makes a number of what is none: that is unknown, and the reason names it. */
export function planScale(snapshot: ScalingSnapshot, policy: ScalingPolicy): ScalingPlan {
  const flaw = flawOf(snapshot, policy);
  if (flaw !== undefined) return { kind: 'unknown', reason: flaw };
  const load = snapshot.arrivalRate * snapshot.serviceTime + snapshot.backlogSeconds / policy.drainTarget;
  const workers = load / (policy.slotsPerWorker * policy.utilisation);
  const need = Math.ceil(workers * (1 - roundingNoise)) + 0; // + 0 makes 0 of -0
  // Sums of numbers that are finite by themselves may still overflow.
  if (!Number.isSafeInteger(need)) return { kind: 'unknown', reason: `the load is out of range: ${load}` };
  const wanted = wantedWorkers({ need, ...snapshot, ...policy });
  const desired = Math.min(policy.max, Math.max(policy.min, wanted)) + 0;
  return { kind: 'known', desired, need, snapshot, policy };
}

/** Which term the figure comes from. Where several give the same figure, the load's need goes first. */
export function decidedBy(terms: DecisiveTerms): DecidingTerm {
  const wanted = wantedWorkers(terms);
  if (wanted > terms.max) return 'max';
  if (wanted < terms.min) return 'min';
  if (wanted === terms.need) return 'need';
  return wanted === terms.busyWorkers ? 'busy' : 'late';
}

/** How many the terms ask for, before the bounds are put to them. */
export function wantedWorkers(terms: Omit<DecisiveTerms, 'min' | 'max'>): number {
  const late = terms.oldestAge > terms.slo ? terms.currentWorkers + 1 : 0;
  return Math.max(terms.need, terms.busyWorkers, late);
}

function flawOf(snapshot: ScalingSnapshot, policy: ScalingPolicy): string | undefined {
  const { arrivalRate, serviceTime, backlogJobs, backlogSeconds, oldestAge } = snapshot;
  const { busyWorkers, currentWorkers } = snapshot;
  const { slotsPerWorker, utilisation, drainTarget, slo, min, max } = policy;
  const amounts = { arrivalRate, serviceTime, backlogSeconds, oldestAge, slo };
  for (const [name, value] of Object.entries(amounts)) {
    if (!(Number.isFinite(value) && value >= 0)) return `${name} is not a number from 0 on: ${value}`;
  }
  const counts = { backlogJobs, busyWorkers, currentWorkers, min, max };
  for (const [name, value] of Object.entries(counts)) {
    if (!(Number.isSafeInteger(value) && value >= 0))
      return `${name} is not a whole number from 0 on: ${value}`;
  }
  if (!(Number.isSafeInteger(slotsPerWorker) && slotsPerWorker > 0))
    return `slotsPerWorker is not a whole number above 0: ${slotsPerWorker}`;
  if (!(utilisation > 0 && utilisation <= 1)) return `utilisation is not in (0, 1]: ${utilisation}`;
  if (!(Number.isFinite(drainTarget) && drainTarget > 0))
    return `drainTarget is not a number above 0: ${drainTarget}`;
  return min > max ? `min is above max: ${min} > ${max}` : undefined;
}
