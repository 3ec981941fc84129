/** What the engine of several machines has to tell, as metrics. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** `redelivered`, `stale`, `reemitted` and `deadLettered` are counted by this process. */
export interface ClusterFigures {
  readonly redelivered: number;
  readonly stale: number;
  readonly reemitted: number;
  readonly deadLettered: number;
  /** What is the same whichever process is asked: left to those that tell of the store. */
  readonly shared?: {
    readonly outbox: { readonly jobs: number; readonly oldestMs: number };
    readonly leader: string | undefined;
  };
}

export class ClusterMetrics {
  readonly #redelivered: Counter;
  readonly #stale: Counter;
  readonly #reemitted: Counter;
  readonly #deadLettered: Counter;
  readonly #outboxJobs: Gauge;
  readonly #outboxAge: Gauge;
  readonly #leader: Gauge<'controller'>;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string) => new Counter({ name, help, registers });
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
    this.#redelivered = counter(
      'dray_cluster_redelivered_total',
      'Messages that RabbitMQ handed to this process after another one had them',
    );
    this.#stale = counter(
      'dray_cluster_stale_total',
      'Messages that this process dropped, as their job was claimed or ended before',
    );
    this.#reemitted = counter(
      'dray_cluster_reemitted_total',
      'Messages that this process sent again, as the first may have been lost',
    );
    this.#deadLettered = counter(
      'dray_cluster_dead_lettered_total',
      'Messages that this process could not use and put aside',
    );
    this.#outboxJobs = gauge(
      'dray_cluster_outbox_jobs',
      'Accepted jobs whose message RabbitMQ has not confirmed',
    );
    this.#outboxAge = gauge(
      'dray_cluster_outbox_oldest_age_seconds',
      'How long the oldest of these has waited, 0 where there is none',
    );
    this.#leader = new Gauge({
      name: 'dray_cluster_leader',
      help: '1 for the controller that leads; none where no controller does',
      labelNames: ['controller'],
      registers,
    });
  }

  /** Takes the place of all that was set before. */
  set(figures: ClusterFigures | undefined): void {
    const counters = [this.#redelivered, this.#stale, this.#reemitted, this.#deadLettered];
    for (const metric of [...counters, this.#leader]) metric.reset();
    for (const metric of [this.#outboxJobs, this.#outboxAge]) metric.remove();
    if (!figures) {
      for (const metric of counters) metric.remove();
      return;
    }
    const { redelivered, stale, reemitted, deadLettered, shared } = figures;
    [redelivered, stale, reemitted, deadLettered].forEach((count, i) => counters[i]!.inc(count));
    if (!shared) return;
    this.#outboxJobs.set(shared.outbox.jobs);
    this.#outboxAge.set(shared.outbox.oldestMs / 1_000);
    if (shared.leader !== undefined) this.#leader.set({ controller: shared.leader }, 1);
  }
}
