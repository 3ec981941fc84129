/**
 * What `/metrics` tells, in Prometheus's text form; docs/metrics.md lists it. Figures of the engine and of the
 * workers are read when they are asked for, durations are counted as they happen.
 */
import { Registry, collectDefaultMetrics } from 'prom-client';
import type { Clock } from '../clock.js';
import type { Worker } from '../contract/worker.js';
import type { EndedAttempt, TypeCounts } from '../engine/engine.js';
import type { PoolPlans } from '../jobs/scaling.js';
import { ClusterMetrics, type ClusterFigures } from './metrics/cluster.js';
import { Histogram } from './metrics/histogram.js';
import { QueueMetrics } from './metrics/queues.js';
import { Reading } from './metrics/reading.js';
import { WorkerMetrics } from './metrics/workers.js';

/** A scrape waits at most so long for the store, in ms; Prometheus itself gives up after 10 s by default. */
const storeMs = 2_000;
/** How closely the event loop is watched, in ms: each look costs, and only what blocks for longer matters. */
const loopWatchMs = 20;

const requestBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
/** From a millisecond to the hour that an attempt may take by default. */
const attemptBuckets = [0.001, 0.004, 0.016, 0.064, 0.25, 1, 4, 15, 60, 240, 900, 3600];

export interface MetricsSources {
  readonly clock: Clock;
  /** What is the same whichever process is asked; absent in those that leave it to others. */
  readonly shared?: {
    readonly counts: () => Promise<readonly TypeCounts[]>;
    /** Of all processes. */
    readonly workers: () => Promise<readonly Worker[]>;
    readonly scaling: () => Promise<PoolPlans>;
  };
  /** Where the engine is one for several machines. */
  readonly cluster?: () => Promise<ClusterFigures>;
}

export class Metrics {
  readonly #clock: Clock;
  readonly #registry = new Registry();
  readonly #attempts: Histogram;
  readonly #requests: Histogram;
  /** Each asks for its figures, and gives what sets them: that waits for nothing, so that scrapes do not mix. */
  readonly #parts: (() => Promise<() => void>)[] = [];

  constructor({ clock, shared, cluster }: MetricsSources) {
    this.#clock = clock;
    const registry = this.#registry;
    if (shared) this.#addShared(shared);
    if (cluster) this.#addCluster(cluster);
    this.#attempts = new Histogram(registry, {
      name: 'dray_attempt_duration_seconds',
      help: 'How long attempts ran here, without their wait for a slot, by outcome',
      labelNames: ['type', 'outcome'],
      buckets: attemptBuckets,
    });
    this.#requests = new Histogram(registry, {
      name: 'dray_http_request_duration_seconds',
      help: 'From the head of a request to the last byte of its answer, waits that it asked for included',
      labelNames: ['method', 'route', 'status'],
      buckets: requestBuckets,
    });
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopWatchMs });
  }

  #addShared(shared: NonNullable<MetricsSources['shared']>): void {
    const queues = new QueueMetrics(this.#registry);
    const pool = new WorkerMetrics(this.#registry);
    const counts = this.#reading(shared.counts);
    const workers = this.#reading(shared.workers);
    const scaling = this.#reading(shared.scaling);
    this.#parts.push(async () => {
      const [counted, all, plans] = await Promise.all([counts.read(), workers.read(), scaling.read()]);
      return () => {
        queues.set(counted, this.#clock.now());
        pool.set(all, plans);
      };
    });
  }

  #addCluster(ask: () => Promise<ClusterFigures>): void {
    const metrics = new ClusterMetrics(this.#registry);
    const figures = this.#reading(ask);
    this.#parts.push(async () => {
      const read = await figures.read();
      return () => metrics.set(read);
    });
  }

  #reading<T>(ask: () => Promise<T>): Reading<T> {
    return new Reading({ clock: this.#clock, limitMs: storeMs, ask });
  }

  /** The content type of `text()`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** `route` is the route's pattern, or `none`: never an address as it was asked for. */
  observeRequest(request: { method: string; route: string; status: number; seconds: number }): void {
    this.#requests.observe(request.seconds, request.method, request.route, request.status);
  }

  /** To be told of each attempt that had an executor, as it ends. */
  observeAttempt(attempt: { type: string; outcome: EndedAttempt['outcome']; seconds: number }): void {
    this.#attempts.observe(attempt.seconds, attempt.type, attempt.outcome);
  }

  /** Never rejects, nor waits long: where the store does not answer, its figures are missing. */
  async text(): Promise<string> {
    const setters = await Promise.all(this.#parts.map((ask) => ask()));
    // From here to the registry's own reading nothing waits, so that scrapes at one time do not mix.
    for (const set of setters) set();
    return this.#registry.metrics();
  }
}
