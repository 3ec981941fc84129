/** Asks a server again while it does not answer, for a bounded time. */
import type { Clock } from '../../clock.js';
import { isPassing } from './errors.js';

export interface Patience {
  readonly clock: Clock;
  /** How long after the first try another one may begin, in ms. */
  readonly patienceMs: number;
  /** One try, its body included, is cut after this, in ms. */
  readonly tryMs: number;
}

const firstPauseMs = 50;
const longestPauseMs = 2_000;

/** The server took longer than a try may take. */
export class TooSlow extends Error {
  override readonly name = 'TimeoutError';
}

/**
 * @param run is given a signal that ends one try. What it does must be harmless when done twice.
 * @throws what the last try threw; what does not pass by itself, at once; the signal's reason when it aborts.
 */
export async function insist<T>(
  { clock, patienceMs, tryMs }: Patience,
  run: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const began = clock.monotonic();
  for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
    const tried = await attempt(clock, tryMs, run, signal);
    if ('value' in tried) return tried.value;
    signal?.throwIfAborted();
    const wait = pause * (0.5 + clock.random() / 2); // so that those who failed together do not come together
    const late = clock.monotonic() - began + wait > patienceMs;
    if (late || !isPassing(tried.error)) throw tried.error;
    await clock.sleep(wait, signal);
  }
}

async function attempt<T>(
  clock: Clock,
  tryMs: number,
  run: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<{ readonly value: T } | { readonly error: unknown }> {
  signal?.throwIfAborted();
  const abort = new AbortController();
  const onAbort = (): void => abort.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const cancelTimer = clock.after(tryMs, () => abort.abort(new TooSlow(`no answer within ${tryMs} ms`)));
  try {
    return { value: await run(abort.signal) };
  } catch (error) {
    return { error: abort.signal.aborted ? abort.signal.reason : error };
  } finally {
    cancelTimer();
    signal?.removeEventListener('abort', onAbort);
  }
}
