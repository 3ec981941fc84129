/** Measures the load again and again, and works out by the scaling rule how many workers there should be. */
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { observe, snapshotOf, type LoadEstimate } from '../jobs/load.js';
import { planScale, type ScalingPlan, type ScalingPolicy } from '../jobs/scaling.js';
import { Loop } from './loop.js';

/** The workers that there are. */
export interface PoolView {
  readonly current: number;
  readonly busy: number;
  readonly slotsPerWorker: number;
}

const intervalMs = 1_000;
/** A plan that is older says nothing about now. */
export const staleMs = 15_000;

export type KnownPlan = Extract<ScalingPlan, { kind: 'known' }>;

export interface PlannerParams {
  readonly engine: Pick<Engine, 'counts'>;
  readonly clock: Clock;
  readonly policy: Omit<ScalingPolicy, 'slotsPerWorker'>;
  readonly pool: () => PoolView | Promise<PoolView>;
  /** Told of each plan. */
  readonly onPlan: (plan: KnownPlan) => void | Promise<void>;
  /** Told why a reading gave no plan, or why `onPlan` failed. */
  readonly onTrouble: (reason: string) => void;
}

export class Planner {
  readonly #params: PlannerParams;
  readonly #loop: Loop;
  #estimate: LoadEstimate | undefined;
  #latest: { readonly at: number; readonly now: number; readonly plan: KnownPlan } | undefined;
  /** Why the latest reading gave no plan. */
  #trouble: string | undefined;

  constructor(params: PlannerParams) {
    this.#params = params;
    this.#loop = new Loop({ clock: params.clock, intervalMs, pass: () => this.#look() });
  }

  get running(): boolean {
    return this.#loop.running;
  }

  start(): void {
    void this.#loop.start();
  }

  /** Waits for the reading in flight, which changes nothing any more. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** The rule's latest answer. Never throws. */
  plan(): ScalingPlan {
    const trouble = this.#trouble;
    if (!this.#latest) {
      const why = trouble === undefined ? '' : `: ${trouble}`;
      return { kind: 'unknown', reason: `the load has not been measured yet${why}` };
    }
    const { at, now, plan } = this.#latest;
    if (this.#params.clock.monotonic() - at <= staleMs) return plan;
    const since = new Date(now).toISOString();
    const why = trouble ?? (this.#loop.running ? 'the store does not answer' : 'the server is stopping');
    return { kind: 'unknown', reason: `the load was last measured at ${since}: ${why}` };
  }

  async #look(): Promise<void> {
    const { engine, clock, policy } = this.#params;
    try {
      const [types, { current, busy, slotsPerWorker }] = await Promise.all([
        engine.counts(),
        this.#params.pool(),
      ]);
      if (!this.#loop.running) return;
      const at = clock.monotonic();
      const now = clock.now();
      const estimate = observe(this.#estimate, { at, now, types });
      const workers = { busyWorkers: busy, currentWorkers: current };
      const plan = planScale(snapshotOf(estimate, workers), { ...policy, slotsPerWorker });
      if (plan.kind === 'unknown') {
        this.#fail(plan.reason); // and the reading is not taken in: what cannot be would stay in the sums
        return;
      }
      this.#estimate = estimate;
      this.#latest = { at, now, plan };
      await this.#params.onPlan(plan);
      this.#trouble = undefined;
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #fail(reason: string): void {
    if (!this.#loop.running) return;
    this.#params.onTrouble(reason);
    this.#trouble = reason;
  }
}
