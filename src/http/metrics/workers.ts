/** The workers, and how many there should be, as metrics. */
import { Gauge, type Registry } from 'prom-client';
import type { Worker } from '../../contract/worker.js';
import type { PoolPlans } from '../../jobs/scaling.js';

export class WorkerMetrics {
  readonly #slots: Gauge;
  readonly #busy: Gauge;
  readonly #executors: Gauge;
  readonly #desired: Gauge<'pool'>;

  constructor(registry: Registry) {
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
    this.#slots = gauge('dray_slots', 'How many jobs can run at a time, in executors and inline');
    this.#busy = gauge('dray_slots_busy', 'How many of these slots have a job');
    this.#executors = gauge('dray_executors', 'Child processes that run jobs');
    this.#desired = new Gauge({
      name: 'dray_desired_workers',
      help: 'How many workers of a pool the scaling rule wants; absent while it is unknown',
      labelNames: ['pool'],
      registers: [registry],
    });
  }

  /** Takes the place of all that was set before. `undefined` leaves the figures away: old ones would lie. */
  set(workers: readonly Worker[] | undefined, plans: PoolPlans | undefined): void {
    const sum = (of: (worker: Worker) => number): number | undefined =>
      workers?.reduce((total, worker) => total + of(worker), 0);
    put(
      this.#slots,
      sum(({ slots }) => slots),
    );
    put(
      this.#busy,
      sum(({ busy }) => busy),
    );
    put(
      this.#executors,
      sum(({ executors }) => executors.length),
    );
    this.#desired.reset();
    for (const [pool, plan] of plans ?? []) {
      if (plan.kind === 'known') this.#desired.set({ pool }, plan.desired);
    }
  }
}

function put(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove();
  else gauge.set(value);
}
