/** Putting up with a server that is away, restarting or full: how long, and how often it is asked meanwhile. */
import type { Clock } from '../clock.js';
import { backoff } from '../jobs/retry.js';
import { ClientError } from './error.js';

/** What the client takes of a Clock (src/clock.ts): no wall-clock time. */
export type ClientClock = Pick<Clock, 'monotonic' | 'sleep' | 'token' | 'random'>;

const policy = { baseMs: 100, factor: 2, capMs: 5_000 };
/** Two tries are at least so far apart where what is asked answers at once, in ms. */
const leastMs = 20;

/** Counts the failures in a row, and pauses after each until they have lasted too long. */
export class Patience {
  readonly #clock: ClientClock;
  readonly #ms: number;
  #failures = 0;
  #since: number | undefined;

  /** @param ms how long failures in a row may last; with 0 the first one is final. */
  constructor(clock: ClientClock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** The server answered as it should. */
  restore(): void {
    this.#failures = 0;
    this.#since = undefined;
  }

  /**
   * Resolves when it is time to try again: after what the server asked for, else with exponential backoff and
   * full jitter.
   *
   * @throws `error` where it will not pass by itself, or would have lasted too long by then; the signal's reason
   * when aborted.
   */
  async after(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    if (!mayPass(error)) throw error;
    const now = this.#clock.monotonic();
    this.#since ??= now;
    this.#failures += 1;
    const jittered = backoff({ attempt: this.#failures, policy, random: this.#clock.random() });
    const pause = Math.max(error.retryAfterMs ?? leastMs, jittered);
    if (now + pause - this.#since > this.#ms) throw error;
    await this.#clock.sleep(pause, signal);
  }
}

/**
 * Tries until it succeeds or patience is at its end. Only for what may be done twice: an attempt whose answer was
 * lost may have been heard.
 *
 * @param attempt is told whether another came before it.
 */
export async function persist<T>(
  patience: Patience,
  signal: AbortSignal | undefined,
  attempt: (repeated: boolean) => Promise<T>,
): Promise<T> {
  for (let repeated = false; ; repeated = true) {
    try {
      return await attempt(repeated);
    } catch (error) {
      await patience.after(error, signal);
    }
  }
}

/** True of what may be otherwise soon. A scaling figure that is not known yet is an answer in itself. */
function mayPass(error: unknown): error is ClientError {
  if (!(error instanceof ClientError) || error.code === 'scale-unknown') return false;
  return error.kind === 'unreachable' || error.status === 429 || error.status === 503;
}
