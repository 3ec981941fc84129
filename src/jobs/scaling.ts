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

export function planScale(snapshot: ScalingSnapshot, policy: ScalingPolicy): ScalingPlan {
  const { arrivalRate, serviceTime, backlogSeconds, oldestAge, busyWorkers, currentWorkers } = snapshot;
  const load = arrivalRate * serviceTime + backlogSeconds / policy.drainTarget;
  const need = Math.ceil(load / (policy.slotsPerWorker * policy.utilisation));
  const late = oldestAge > policy.slo ? currentWorkers + 1 : 0;
  const desired = Math.min(policy.max, Math.max(policy.min, need, busyWorkers, late));
  return { kind: 'known', desired, need, snapshot, policy };
}
