/** When a failed attempt runs again. Pure: randomness comes in as an argument. */
export interface RetryPolicy {
  /** How many runs a job gets in all, the first one included. */
  readonly attempts: number;
  /** Upper end of the first wait, in milliseconds. */
  readonly baseMs: number;
  readonly factor: number;
  /** Upper end of any wait, in milliseconds. */
  readonly capMs: number;
}

export const defaultRetry: RetryPolicy = { attempts: 5, baseMs: 1_000, factor: 2, capMs: 300_000 };

export type AfterFailure =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'give-up'; readonly because: 'permanent' | 'attempts-used-up' };

/**
 * Exponential backoff with full jitter: uniform in [0, min(cap, base × factor^(attempt − 1))), which spreads
 * the retries of those that failed together (M. Brooker, "Exponential Backoff and Jitter", 2015).
 *
 * @param attempt the attempt that failed, 1-based.
 * @param random uniform in [0, 1).
 * @returns whole milliseconds.
 */
export function backoff(params: {
  attempt: number;
  policy: Omit<RetryPolicy, 'attempts'>;
  random: number;
}): number {
  const { baseMs, factor, capMs } = params.policy;
  const growth = Math.min(factor ** (params.attempt - 1), Number.MAX_VALUE); // 0 × Infinity would be NaN
  return Math.floor(params.random * Math.min(capMs, baseMs * growth));
}

/** Whether a failed attempt is followed by another one, and when: see `backoff`. */
export function afterFailure(params: {
  attempt: number;
  maxAttempts: number;
  permanent: boolean;
  policy: RetryPolicy;
  random: number;
}): AfterFailure {
  if (params.permanent) return { kind: 'give-up', because: 'permanent' };
  if (params.attempt >= params.maxAttempts) return { kind: 'give-up', because: 'attempts-used-up' };
  return { kind: 'retry', delayMs: backoff(params) };
}
