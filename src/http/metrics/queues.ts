/** What the engine counts of each type, as metrics. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { TypeCounts } from '../../engine/engine.js';

const labelNames = ['type'] as const;

export class QueueMetrics {
  readonly #storeUp: Gauge;
  readonly #depth: Gauge<'type'>;
  readonly #oldestAge: Gauge<'type'>;
  readonly #jobs: Gauge<'type' | 'status'>;
  readonly #inFlight: Gauge<'type'>;
  readonly #submitted: Counter<'type'>;
  readonly #attempts: Counter<'type' | 'outcome'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#storeUp = new Gauge({
      name: 'dray_store_up',
      help: 'Whether the store of jobs answered: without it there are no figures of jobs and attempts',
      registers,
    });
    this.#depth = new Gauge({
      name: 'dray_queue_depth',
      help: 'Pending jobs: those that a worker may take now',
      labelNames,
      registers,
    });
    this.#oldestAge = new Gauge({
      name: 'dray_queue_oldest_age_seconds',
      help: 'How long the pending job has waited that has waited longest, 0 where none is pending',
      labelNames,
      registers,
    });
    this.#jobs = new Gauge({
      name: 'dray_jobs',
      help: 'Jobs in the store by status; those that failed for good are the dead letters',
      labelNames: ['type', 'status'],
      registers,
    });
    this.#inFlight = new Gauge({
      name: 'dray_jobs_in_flight',
      help: 'Jobs that a worker has leased',
      labelNames,
      registers,
    });
    this.#submitted = new Counter({
      name: 'dray_jobs_submitted_total',
      help: 'Jobs accepted',
      labelNames,
      registers,
    });
    this.#attempts = new Counter({
      name: 'dray_attempts_total',
      help: 'Attempts that ended, by outcome',
      labelNames: ['type', 'outcome'],
      registers,
    });
  }

  /** Takes the place of all that was set before. `undefined` leaves the series away: old figures would lie. */
  set(counts: readonly TypeCounts[] | undefined, now: number): void {
    const all = [this.#depth, this.#oldestAge, this.#jobs, this.#inFlight, this.#submitted, this.#attempts];
    for (const metric of all) metric.reset();
    this.#storeUp.set(counts === undefined ? 0 : 1);
    for (const { type, jobs, oldestPendingAt = now, totals } of counts ?? []) {
      this.#depth.set({ type }, jobs.pending);
      this.#oldestAge.set({ type }, Math.max(0, now - oldestPendingAt) / 1000);
      this.#inFlight.set({ type }, jobs['in-progress']);
      for (const [status, number] of Object.entries(jobs)) this.#jobs.set({ type, status }, number);
      this.#submitted.inc({ type }, totals.submitted);
      for (const [outcome, number] of Object.entries(totals.attempts))
        this.#attempts.inc({ type, outcome }, number);
    }
  }
}
