/** The models that a process serves, as metrics. */
import { Gauge, type Registry } from 'prom-client';
import { Histogram } from './histogram.js';

/** What is asked when the metrics are. */
export interface ModelFigures {
  /** Requests that wait for a thread. */
  readonly waiting: number;
  all(): readonly { readonly model: string; readonly version: number; readonly state: string }[];
}

const secondBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
const rowBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024];

export class ModelMetrics {
  readonly #versions: Gauge<'model' | 'version' | 'state'>;
  readonly #waiting: Gauge;
  readonly #batches: Histogram;
  readonly #requests: Histogram;
  #figures: ModelFigures | undefined;

  constructor(registry: Registry) {
    this.#versions = new Gauge({
      name: 'dray_model_versions',
      help: 'Versions of models in the folder, by state: AVAILABLE, LOADING, or END where one cannot be served',
      labelNames: ['model', 'version', 'state'],
      registers: [registry],
    });
    this.#waiting = new Gauge({
      name: 'dray_model_requests_waiting',
      help: 'Requests that wait for a thread that runs models',
      registers: [registry],
    });
    this.#batches = new Histogram(registry, {
      name: 'dray_model_batch_rows',
      help: 'Rows that were run together',
      labelNames: ['model'],
      buckets: rowBuckets,
    });
    this.#requests = new Histogram(registry, {
      name: 'dray_model_request_duration_seconds',
      help: 'Of requests for predictions whose model was found, with the time until their body was there',
      labelNames: ['model', 'version', 'status'],
      buckets: secondBuckets,
    });
  }

  observePrediction(prediction: {
    readonly model: string;
    readonly version: number;
    readonly status: number;
    readonly seconds: number;
  }): void {
    const { model, version, status, seconds } = prediction;
    this.#requests.observe(seconds, model, version, status);
  }

  observeBatch({ model, rows }: { readonly model: string; readonly rows: number }): void {
    this.#batches.observe(rows, model);
  }

  watch(figures: ModelFigures): void {
    this.#figures = figures;
  }

  /** Takes the place of all that was set before. */
  set(): void {
    this.#versions.reset();
    for (const { model, version, state } of this.#figures?.all() ?? []) {
      this.#versions.set({ model, version, state }, 1);
    }
    this.#waiting.set(this.#figures?.waiting ?? 0);
  }
}
