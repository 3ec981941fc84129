/** Makes the plans of a pool known to those who scale it. */
import type { Clock } from '../clock.js';
import type { ScalingPlan } from '../jobs/scaling.js';
import { Trouble, type Log } from '../log.js';
import { staleMs, type KnownPlan } from './planner.js';

export interface PlanRegister {
  /** Known for the next `forMs`; `pools` are all that there are. */
  publishPlan(params: {
    pool: string;
    pools: readonly string[];
    plan: ScalingPlan;
    forMs: number;
  }): Promise<void>;
}

/**
 * Called before a lower figure of a pool is made known, so that whoever then removes workers knows which. It is waited
 * for at most a second, and where it fails the figure is published all the same.
 */
export type BeforeLower = (pool: string, plan: KnownPlan) => Promise<void>;

const prepareMs = 1_000;

export class PlanPublisher {
  readonly #params: {
    readonly pool: string;
    readonly pools: readonly string[];
    readonly register: PlanRegister;
    readonly beforeLower: BeforeLower;
    readonly clock: Clock;
    readonly log: Log;
  };
  readonly #unknown: Trouble;
  readonly #unprepared: Trouble;
  /** The highest that others may take for the latest one; what another leader has published is not known here. */
  #figure = Infinity;

  constructor(params: {
    pool: string;
    pools: readonly string[];
    register: PlanRegister;
    beforeLower: BeforeLower;
    clock: Clock;
    log: Log;
  }) {
    this.#params = params;
    this.#unknown = new Trouble({
      log: params.log,
      begins: 'how many workers there should be is not known',
      ends: 'how many workers there should be is known again',
    });
    this.#unprepared = new Trouble({
      log: params.log,
      begins: 'a lower number of workers was made known, and what comes before that had failed',
      ends: 'what comes before a lower number of workers works again',
    });
  }

  /** @throws where the register does not answer; the plan before then ends by itself. */
  async publish(plan: KnownPlan): Promise<void> {
    if (plan.desired < this.#figure) await this.#prepare(plan);
    else this.#figure = plan.desired; // it may be known though its answer is lost
    await this.#tell(plan);
    this.#figure = plan.desired;
    this.#unknown.over();
  }

  /** Never throws. The figure that was known last stays what a lower one is measured by. */
  publishUnknown(reason: string): void {
    const { pool } = this.#params;
    this.#unknown.met({ pool, reason });
    void this.#tell({ kind: 'unknown', reason }).catch(() => undefined); // the plan before ends by itself
  }

  async #prepare(plan: KnownPlan): Promise<void> {
    const { pool, clock, beforeLower } = this.#params;
    let cancelLimit = (): void => undefined;
    const limit = new Promise<never>((_, reject) => {
      cancelLimit = clock.after(prepareMs, () => reject(new Error(`it took more than ${prepareMs} ms`)));
    });
    try {
      await Promise.race([beforeLower(pool, plan), limit]);
      this.#unprepared.over();
    } catch (error) {
      this.#unprepared.met({ pool, error: String(error) });
    } finally {
      cancelLimit();
    }
  }

  #tell(plan: ScalingPlan): Promise<void> {
    const { pool, pools, register } = this.#params;
    return register.publishPlan({ pool, pools, plan, forMs: staleMs });
  }
}
