/** A figure that is asked for elsewhere while a scrape waits. */
import type { Clock } from '../../clock.js';

export class Reading<T> {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #ask: () => Promise<T>;
  /** Shared by all scrapes that wait for it: it is asked for once at a time, however long that takes. */
  #asked: Promise<T> | undefined;

  constructor(params: { clock: Clock; limitMs: number; ask: () => Promise<T> }) {
    this.#clock = params.clock;
    this.#limitMs = params.limitMs;
    this.#ask = params.ask;
  }

  /** Never rejects, nor waits longer than the limit: undefined where there is no answer. */
  async read(): Promise<T | undefined> {
    this.#asked ??= this.#ask().finally(() => (this.#asked = undefined));
    let cancelLimit = (): void => undefined;
    const limit = new Promise<undefined>((resolve) => {
      cancelLimit = this.#clock.after(this.#limitMs, () => resolve(undefined));
    });
    return Promise.race([this.#asked.catch(() => undefined), limit]).finally(cancelLimit);
  }
}
