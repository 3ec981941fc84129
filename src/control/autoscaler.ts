/** Measures the load, works out how many executors there should be, and sees to it that there are. */
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { observe, snapshotOf, type LoadEstimate } from '../jobs/load.js';
import { planScale, type ScalingPlan, type ScalingPolicy } from '../jobs/scaling.js';
import type { TaskLog } from '../tasks/task.js';
import { Loop } from './loop.js';

/** What is scaled. */
export interface ScaledPool {
  current(): number;
  busy(): number;
  /** Never stops a busy one. Told the same size again and again. */
  resize(size: number): void;
}

const intervalMs = 1_000;
/** A plan that is older says nothing about now. */
const staleMs = 15_000;
export const stabilisationMs = 30_000;

/** A size that was wanted at a moment, by a clock that never jumps. */
export interface Wish {
  readonly at: number;
  readonly size: number;
}

type KnownPlan = Extract<ScalingPlan, { kind: 'known' }>;

export class Autoscaler {
  readonly #engine: Pick<Engine, 'counts'>;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #policy: ScalingPolicy;
  readonly #pool: ScaledPool;
  readonly #loop: Loop;
  #estimate: LoadEstimate | undefined;
  #latest: { readonly at: number; readonly now: number; readonly plan: KnownPlan } | undefined;
  /** Why the latest reading gave no plan. */
  #trouble: string | undefined;
  #wishes: readonly Wish[] = [];
  #size = 0;

  constructor(params: {
    engine: Pick<Engine, 'counts'>;
    clock: Clock;
    log: TaskLog;
    policy: ScalingPolicy;
    pool: ScaledPool;
  }) {
    this.#engine = params.engine;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#policy = params.policy;
    this.#pool = params.pool;
    this.#loop = new Loop({ clock: params.clock, intervalMs, pass: () => this.#scale() });
  }

  start(): void {
    if (this.#loop.running) return;
    this.#size = this.#pool.current();
    this.#hold();
    void this.#loop.start();
  }

  /** Waits for the reading in flight, which changes nothing any more. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** The rule's latest answer, as it is: the pool follows it with the delay of `stabilise`. Never throws. */
  plan(): ScalingPlan {
    const trouble = this.#trouble;
    if (!this.#latest) {
      const why = trouble === undefined ? '' : `: ${trouble}`;
      return { kind: 'unknown', reason: `the load has not been measured yet${why}` };
    }
    const { at, now, plan } = this.#latest;
    if (this.#clock.monotonic() - at <= staleMs) return plan;
    const since = new Date(now).toISOString();
    const why = trouble ?? (this.#loop.running ? 'the store does not answer' : 'the server is stopping');
    return { kind: 'unknown', reason: `the load was last measured at ${since}: ${why}` };
  }

  async #scale(): Promise<void> {
    try {
      const types = await this.#engine.counts();
      if (!this.#loop.running) return;
      const at = this.#clock.monotonic();
      const now = this.#clock.now();
      const estimate = observe(this.#estimate, { at, now, types });
      const workers = { busyWorkers: this.#pool.busy(), currentWorkers: this.#pool.current() };
      const plan = planScale(snapshotOf(estimate, workers), this.#policy);
      if (plan.kind === 'unknown') {
        this.#fail(plan.reason); // and the reading is not taken in: what cannot be would stay in the sums
        return;
      }
      this.#estimate = estimate;
      this.#latest = { at, now, plan };
      this.#follow(plan);
      if (this.#trouble !== undefined) this.#log.info('the number of executors follows the load again');
      this.#trouble = undefined;
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #follow({ desired, need }: KnownPlan): void {
    this.#wishes = stabilise(this.#wishes, { at: this.#clock.monotonic(), size: desired });
    const size = this.#wishes[0]!.size;
    this.#pool.resize(size);
    if (size !== this.#size) this.#log.info('executors scaled', { from: this.#size, to: size, need });
    this.#size = size;
  }

  #fail(reason: string): void {
    if (!this.#loop.running) return;
    this.#hold();
    if (this.#trouble === undefined)
      this.#log.warn('the number of executors stays as it is', { size: this.#size, reason });
    this.#trouble = reason;
  }

  /** Where nothing is known the size that there is counts as wanted, and nothing is stopped right afterwards. */
  #hold(): void {
    this.#wishes = stabilise(this.#wishes, { at: this.#clock.monotonic(), size: this.#size });
  }
}

/**
 * Takes in a wish, and gives those of the last 30 s that still count, the largest first: the size to have.
 * Executors are started at once, and stopped only when none of that time wanted them; else each lull would
 * stop some that are wanted again a moment later.
 *
 * A wish that is not above a later one can never count again, so those that stay grow smaller, from old to new.
 */
export function stabilise(wishes: readonly Wish[], wish: Wish): readonly Wish[] {
  const since = wish.at - stabilisationMs;
  return [...wishes.filter(({ at, size }) => at > since && size > wish.size), wish];
}
