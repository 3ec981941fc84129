/** One reading for all who ask at about the same time. */
import type { Clock } from '../clock.js';

/**
 * What `read` gives, or why it failed, is given to whoever asks within the next `forMs`: it is asked no more often.
 * One who asks less often than that never gets the same reading twice.
 */
export function shareReading<T>(params: {
  clock: Clock;
  forMs: number;
  read: () => Promise<T>;
}): () => Promise<T> {
  const { clock, forMs, read } = params;
  let latest: { readonly at: number; readonly reading: Promise<T> } | undefined;
  return () => {
    const at = clock.monotonic();
    if (!latest || at - latest.at >= forMs) latest = { at, reading: read() };
    return latest.reading;
  };
}
