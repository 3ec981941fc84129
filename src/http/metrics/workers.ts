/** The workers, and how many there should be, as metrics. */
import { Gauge, type Registry } from 'prom-client';
import type { Worker } from '../../contract/worker.js';
import type { ScalingPlan } from '../../jobs/scaling.js';

export class WorkerMetrics {
  readonly #slots: Gauge;
  readonly #busy: Gauge;
  readonly #executors: Gauge;
  readonly #desired: Gauge;

  constructor(registry: Registry) {
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
    this.#slots = gauge('dray_slots', 'How many jobs can run at a time, in executors and inline');
    this.#busy = gauge('dray_slots_busy', 'How many of these slots have a job');
    this.#executors = gauge('dray_executors', 'Child processes that run jobs');
    this.#desired = gauge(
      'dray_desired_workers',
      'How many workers the scaling rule wants; absent while it is unknown',
    );
  }

  /** Takes the place of all that was set before. `undefined` leaves the figures away: old ones would lie. */
  set(workers: readonly Worker[] | undefined, plan: ScalingPlan | undefined): void {
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
    put(this.#desired, plan?.kind === 'known' ? plan.desired : undefined);
  }
}

function put(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove();
  else gauge.set(value);
}
