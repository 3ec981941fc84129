/** Why an attempt is stopped, and how its signal says so. */

/**
 * - `cancelled`, `timeout`: the job is not to go on.
 * - `lease-lost`: another attempt may run already.
 * - `drain`: the process ends, and another is to go on with the job.
 * - `surplus`: the attempt had not begun, and waited too long for its turn.
 */
export type StopReason = 'cancelled' | 'timeout' | 'lease-lost' | 'drain' | 'surplus';

/** The same in every copy of this module: a user's task may have loaded another one than the server has. */
const mark = Symbol.for('dray.StopReason');

/** What the signal of a stopped attempt aborts with: an AbortError, as those of the platform's own signals are. */
export function stopped(reason: StopReason): Error {
  const error = new Error(`the attempt was stopped: ${reason}`);
  error.name = 'AbortError';
  return Object.assign(error, { [mark]: reason });
}

/** Why the signal of an attempt has aborted; undefined where it has not, or where it is none of an attempt. */
export function stopReasonOf(signal: AbortSignal): StopReason | undefined {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? (reason as { [mark]?: StopReason })[mark] : undefined;
}
