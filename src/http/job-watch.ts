/** Waiting for a job to end: by event where one arrives, by reading again where it was lost. */
import type { Clock } from '../clock.js';
import type { Engine, Job } from '../engine/engine.js';
import { parseDuration } from '../jobs/duration.js';
import { DrayError } from '../jobs/errors.js';
import { isFinal } from '../jobs/life-cycle.js';
import { limits } from '../jobs/limits.js';

/** Events are best effort, so a waiting request looks for itself after this long, in ms. */
const rereadMs = 5_000;

export class JobWatch {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<() => void>>();
  #closed = false;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
    engine.subscribe((event) => {
      if (isFinal(event.status)) for (const wake of this.#waiting.get(event.id) ?? []) wake();
    });
  }

  /** Ends all waits now, and lets none begin: the server stops. */
  close(): void {
    this.#closed = true;
    for (const wakers of this.#waiting.values()) for (const wake of wakers) wake();
  }

  /** The job once it is final, or as it is after `waitMs`; undefined where there is none. */
  async untilFinal(id: string, waitMs: number, signal: AbortSignal): Promise<Job | undefined> {
    const deadline = this.#clock.monotonic() + waitMs;
    for (;;) {
      // Listening starts before the read, so that an end between the two is not missed.
      const woken = this.#listen(id);
      try {
        const job = await this.#engine.get({ id });
        const left = deadline - this.#clock.monotonic();
        if (!job || isFinal(job.status) || left <= 0 || signal.aborted || this.#closed) return job;
        await this.#pause(woken.promise, Math.min(left, rereadMs), signal);
      } finally {
        woken.end();
      }
    }
  }

  #listen(id: string): { promise: Promise<void>; end: () => void } {
    let resolve = (): void => undefined;
    const promise = new Promise<void>((settle) => (resolve = settle));
    const wakers = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, wakers.add(resolve));
    return {
      promise,
      end: () => {
        wakers.delete(resolve);
        if (wakers.size === 0 && this.#waiting.get(id) === wakers) this.#waiting.delete(id);
      },
    };
  }

  async #pause(woken: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
    let wake = (): void => undefined;
    const paused = new Promise<void>((resolve) => (wake = resolve));
    const cancelTimer = this.#clock.after(ms, wake);
    signal.addEventListener('abort', wake, { once: true });
    void woken.then(wake);
    await paused;
    cancelTimer();
    signal.removeEventListener('abort', wake);
  }
}

/** "30s", "500ms", "1m" or seconds as a number, in ms. @throws DrayError `invalid-request`. */
export function parseWait(text: string | undefined): number {
  if (text === undefined) return 0;
  const ms = parseDuration(text, { bare: 's' }) ?? Infinity;
  if (ms <= limits.wait) return ms;
  throw new DrayError(
    'invalid-request',
    `query.wait: "${text.slice(0, 40)}" is not a time up to ${limits.wait / 1_000}s, such as 30s or 500ms`,
    { field: 'query.wait' },
  );
}
