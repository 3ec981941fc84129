/**
 * A histogram for the hot path: finding the series of some labels is a few map look-ups, and an observation
 * counts in a plain array. prom-client's own builds a string of all labels for each observation, half a
 * microsecond, which the cheapest routes would feel.
 */
import type { Metric, Registry } from 'prom-client';

interface Series {
  readonly labels: Readonly<Record<string, string | number>>;
  /** By bucket, not cumulated; the last one has no bound. */
  readonly counts: Float64Array;
  sum: number;
}

type Branch = Map<string | number, Branch | Series>;

export class Histogram {
  readonly #name: string;
  readonly #labelNames: readonly string[];
  readonly #buckets: readonly number[];
  /** A level for each label. */
  readonly #root: Branch = new Map();
  readonly #all: Series[] = [];

  /** @param options.buckets the upper bounds, ascending, without the infinite one. */
  constructor(
    registry: Registry,
    options: { name: string; help: string; labelNames: readonly string[]; buckets: readonly number[] },
  ) {
    const { name, help, labelNames, buckets } = options;
    this.#name = name;
    this.#labelNames = labelNames;
    this.#buckets = buckets;
    const get = () => Promise.resolve({ name, help, type: 'histogram', values: this.#values() });
    // This is all that a registry uses of a metric, though its type asks for one of prom-client's classes.
    registry.registerMetric({ name, help, get } as unknown as Metric);
  }

  /**
   * Labels come in the order of their names. Every new set of them takes memory for good, so they must be few.
   * A value that is no duration (NaN, negative) is left out: it would spoil the sum.
   */
  observe(value: number, ...labels: readonly (string | number)[]): void {
    if (!(value >= 0)) return;
    const series = this.#find(labels);
    const buckets = this.#buckets;
    let bucket = 0;
    while (bucket < buckets.length && value > buckets[bucket]!) bucket += 1;
    series.counts[bucket]! += 1;
    series.sum += value;
  }

  #find(labels: readonly (string | number)[]): Series {
    let at: Branch | Series | undefined = this.#root;
    for (const label of labels) {
      at = (at as Branch).get(label);
      if (at === undefined) return this.#add(labels);
    }
    return at as Series;
  }

  #add(labels: readonly (string | number)[]): Series {
    const series: Series = {
      labels: Object.fromEntries(this.#labelNames.map((name, i) => [name, labels[i]!])),
      counts: new Float64Array(this.#buckets.length + 1),
      sum: 0,
    };
    let branch = this.#root;
    for (const label of labels.slice(0, -1)) {
      if (!branch.has(label)) branch.set(label, new Map());
      branch = branch.get(label) as Branch;
    }
    branch.set(labels.at(-1)!, series);
    this.#all.push(series);
    return series;
  }

  #values() {
    return this.#all.flatMap(({ labels, counts, sum }) => {
      let count = 0;
      const buckets = Array.from(counts, (observed, i) => ({
        metricName: `${this.#name}_bucket`,
        labels: { ...labels, le: this.#buckets[i] ?? '+Inf' },
        value: (count += observed),
      }));
      return [
        ...buckets,
        { metricName: `${this.#name}_sum`, labels, value: sum },
        { metricName: `${this.#name}_count`, labels, value: count },
      ];
    });
  }
}
