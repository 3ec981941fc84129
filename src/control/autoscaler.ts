/** Sees to it that there are as many executors as the scaling rule wants. */
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import type { ScalingPlan, ScalingPolicy } from '../jobs/scaling.js';
import { Trouble } from '../log.js';
import type { TaskLog } from '../tasks/task.js';
import { Planner, type KnownPlan } from './planner.js';

/** What is scaled. */
export interface ScaledPool {
  current(): number;
  busy(): number;
  /** Never stops a busy one. Told the same size again and again. */
  resize(size: number): void;
}

export const stabilisationMs = 30_000;

/** A size that was wanted at a moment, by a clock that never jumps. */
export interface Wish {
  readonly at: number;
  readonly size: number;
}

export class Autoscaler {
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #pool: ScaledPool;
  readonly #planner: Planner;
  readonly #trouble: Trouble;
  #wishes: readonly Wish[] = [];
  #size = 0;

  constructor(params: {
    engine: Pick<Engine, 'counts'>;
    clock: Clock;
    log: TaskLog;
    policy: ScalingPolicy;
    pool: ScaledPool;
  }) {
    const { pool, policy } = params;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#pool = pool;
    this.#trouble = new Trouble({
      log: params.log,
      begins: 'the number of executors stays as it is',
      ends: 'the number of executors follows the load again',
    });
    this.#planner = new Planner({
      ...params,
      pool: () => ({ current: pool.current(), busy: pool.busy(), slotsPerWorker: policy.slotsPerWorker }),
      onPlan: (plan) => this.#follow(plan),
      onTrouble: (reason) => this.#stay(reason),
    });
  }

  start(): void {
    if (this.#planner.running) return;
    this.#size = this.#pool.current();
    this.#hold();
    this.#planner.start();
  }

  /** Waits for the reading in flight, which changes nothing any more. */
  stop(): Promise<void> {
    return this.#planner.stop();
  }

  /** The rule's latest answer, as it is: the pool follows it with the delay of `stabilise`. Never throws. */
  plan(): ScalingPlan {
    return this.#planner.plan();
  }

  #follow({ desired, need }: KnownPlan): void {
    this.#wishes = stabilise(this.#wishes, { at: this.#clock.monotonic(), size: desired });
    const size = this.#wishes[0]!.size;
    this.#pool.resize(size);
    if (size !== this.#size) this.#log.info('executors scaled', { from: this.#size, to: size, need });
    this.#size = size;
    this.#trouble.over();
  }

  #stay(reason: string): void {
    this.#hold();
    this.#trouble.met({ size: this.#size, reason });
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
