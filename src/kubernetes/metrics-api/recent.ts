/** Answers of the API server that hold for a few seconds, so that it is not asked at each request anew. */
import type { Clock } from '../../clock.js';
import { Refusal } from './refusal.js';

/** As API servers that extend Kubernetes have it by default. */
const holdMs = 10_000;
const mostKept = 1_000;
/** Whoever floods us with strange tokens is not to flood the API server. */
const mostAsked = 32;

export class Recent<T> {
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly until: number; readonly answer: Promise<T> }>();
  #asked = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The answer that was given for `key`, or a new one. A failure is not kept.
   * @throws Refusal 503 where too many are under way.
   */
  async get(key: string, ask: () => Promise<T>): Promise<T> {
    const now = this.#clock.monotonic();
    const known = this.#kept.get(key);
    if (known && now < known.until) return known.answer;
    if (this.#asked >= mostAsked) throw new Refusal(503, 'too many requests wait for the API server');
    this.#asked += 1;
    const answer = ask().finally(() => (this.#asked -= 1));
    // From now, not from when it comes: it is as old as the question.
    const entry = { until: now + holdMs, answer };
    this.#kept.delete(key);
    this.#kept.set(key, entry);
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value!);
    try {
      return await answer;
    } catch (error) {
      if (this.#kept.get(key) === entry) this.#kept.delete(key);
      throw error;
    }
  }
}
