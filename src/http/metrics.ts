/**
 * What `/metrics` tells, in Prometheus's text form; docs/metrics.md lists it. Figures of the engine and of the
 * workers are read when they are asked for, durations are counted as they happen.
 */
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { Clock } from '../clock.js';
import type { Worker } from '../contract/worker.js';
import type { EndedAttempt, Engine, TypeCounts } from '../engine/engine.js';
import type { ScalingPlan } from '../jobs/scaling.js';
import { Histogram } from './metrics/histogram.js';
import { QueueMetrics } from './metrics/queues.js';

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
  readonly engine: Pick<Engine, 'counts'>;
  readonly workers: () => readonly Worker[];
  readonly scaling: () => ScalingPlan;
  readonly clock: Clock;
}

export class Metrics {
  readonly #sources: MetricsSources;
  readonly #registry = new Registry();
  readonly #queues: QueueMetrics;
  readonly #slots: Gauge;
  readonly #busy: Gauge;
  readonly #executors: Gauge;
  readonly #desired: Gauge;
  readonly #attempts: Histogram;
  readonly #requests: Histogram;
  /** Shared by all scrapes that wait for it: the store is asked once at a time, however slow it is. */
  #reading: Promise<readonly TypeCounts[]> | undefined;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    const registry = this.#registry;
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
    this.#queues = new QueueMetrics(registry);
    this.#slots = gauge('dray_slots', 'How many jobs can run at a time, in executors and inline');
    this.#busy = gauge('dray_slots_busy', 'How many of these slots have a job');
    this.#executors = gauge('dray_executors', 'Child processes that run jobs');
    this.#desired = gauge(
      'dray_desired_workers',
      'How many workers the scaling rule wants; absent while it is unknown',
    );
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
    const counts = await this.#counts();
    // From here to the registry's own reading nothing waits, so that scrapes at one time do not mix.
    this.#queues.set(counts, this.#sources.clock.now());
    const workers = this.#sources.workers();
    const sum = (of: (worker: Worker) => number) => workers.reduce((total, worker) => total + of(worker), 0);
    this.#slots.set(sum(({ slots }) => slots));
    this.#busy.set(sum(({ busy }) => busy));
    this.#executors.set(sum(({ executors }) => executors.length));
    const plan = this.#sources.scaling();
    if (plan.kind === 'known') this.#desired.set(plan.desired);
    else this.#desired.remove();
    return this.#registry.metrics();
  }

  async #counts(): Promise<readonly TypeCounts[] | undefined> {
    this.#reading ??= this.#sources.engine.counts().finally(() => (this.#reading = undefined));
    let cancelLimit = (): void => undefined;
    const limit = new Promise<undefined>((resolve) => {
      cancelLimit = this.#sources.clock.after(storeMs, () => resolve(undefined));
    });
    return Promise.race([this.#reading.catch(() => undefined), limit]).finally(cancelLimit);
  }
}
