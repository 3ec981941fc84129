/**
 * Tells who waits for a container that something about it has changed. What has changed is not told: who is woken
 * reads it anew, so that an event that was lost, doubled or late does no harm. One watch each of Jobs and pods serves
 * all that wait. They begin with all objects there are, and end every half minute: so everybody is woken then, and a
 * watch that has died silently costs no more time than that.
 */
import type { Clock } from '../../../clock.js';
import { backoff } from '../../../jobs/retry.js';
import { ApiError, type Api } from '../../../kubernetes/api.js';
import { label } from './manifest.js';
import type { Metadata } from './objects.js';

const watchSeconds = 30;
const idleMs = 40_000;
/** While a watch is away. */
const pollMs = 2_000;
/** A watch that stood for less has failed. */
const shortMs = 1_000;
const retry = { baseMs: 250, factor: 2, capMs: 5_000 };
const mostLine = 8 * 1024 * 1024;

/** Somebody who waits for one job's container. */
export interface Listener {
  /** Resolves at a change since the last call, or a while later. @param atMostMs for those who cannot wait so long. */
  next(params: { signal: AbortSignal; atMostMs?: number }): Promise<void>;
  end(): void;
}

export class Changes {
  readonly #api: Api;
  readonly #selector: string;
  readonly #clock: Clock;
  /** What wakes those who listen, by job. */
  readonly #listeners = new Map<string, Set<() => void>>();
  /** What is watched, until nobody listens any more. */
  readonly #followed = new Set<string>();
  #watches = 0;

  constructor(params: { api: Api; owner: string; clock: Clock }) {
    this.#api = params.api;
    this.#selector = `${label.owner}=${params.owner}`;
    this.#clock = params.clock;
  }

  listen(jobId: string): Listener {
    const listeners = this.#listeners.get(jobId) ?? new Set();
    this.#listeners.set(jobId, listeners);
    let changed = false;
    let resolve: (() => void) | undefined;
    const wake = (): void => {
      changed = true;
      resolve?.();
    };
    listeners.add(wake);
    for (const path of [this.#api.jobs(), this.#api.pods()]) {
      if (!this.#followed.has(path)) void this.#follow(path);
    }
    return {
      next: async ({ signal, atMostMs = Infinity }) => {
        const longest = this.#watches === 2 ? watchSeconds * 1_000 : pollMs * (0.5 + this.#clock.random());
        const cancel = this.#clock.after(Math.min(longest, atMostMs), wake);
        signal.addEventListener('abort', wake, { once: true });
        await new Promise<void>((done) => {
          resolve = done;
          if (changed || signal.aborted) done();
        });
        changed = false;
        cancel();
        signal.removeEventListener('abort', wake);
      },
      end: () => {
        listeners.delete(wake);
        if (listeners.size === 0 && this.#listeners.get(jobId) === listeners) this.#listeners.delete(jobId);
      },
    };
  }

  async #follow(path: string): Promise<void> {
    this.#followed.add(path);
    let failures = 0;
    while (this.#listeners.size > 0 && !this.#api.closed.aborted) {
      const begun = this.#clock.monotonic();
      // Where it fails: who waits reads by itself meanwhile, and learns there what is wrong.
      await this.#watch(path).catch(() => undefined);
      // One that ends at once, without an error, is no better than one that fails.
      failures = this.#clock.monotonic() - begun < shortMs ? failures + 1 : 0;
      if (failures === 0) continue;
      const pauseMs = backoff({ attempt: failures, policy: retry, random: this.#clock.random() });
      await this.#clock.sleep(pauseMs, this.#api.closed).catch(() => undefined);
    }
    this.#followed.delete(path);
  }

  async #watch(path: string): Promise<void> {
    const query = { watch: 'true', labelSelector: this.#selector, timeoutSeconds: String(watchSeconds) };
    let rest = '';
    let open = false;
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.#api.stream(path, query, { signal: this.#api.closed, idleMs })) {
        if (!open) {
          open = true;
          this.#watches += 1;
        }
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > mostLine) throw new ApiError('an event of a watch is too long');
        for (const line of lines) this.#wake(line);
      }
    } finally {
      if (open) this.#watches -= 1;
    }
  }

  #wake(line: string): void {
    const { type, object } = JSON.parse(line) as { type: string; object: { metadata?: Metadata } };
    if (type === 'ERROR') throw new ApiError('a watch was ended by the server');
    const jobId = object.metadata?.labels?.[label.job];
    if (jobId === undefined) return;
    for (const wake of this.#listeners.get(jobId) ?? []) wake();
  }
}
