/** What the client and its calls take. */
import type { Status } from '../jobs/life-cycle.js';
import type { ClientClock } from './retry.js';

export interface ClientOptions {
  /** The server's address, http or https; by default that of a `dray serve` on this machine. */
  readonly baseUrl?: string | URL;
  /** A key that the server knows. */
  readonly apiKey?: string | undefined;
  /** How long a call that may safely be repeated is tried, in ms: 10,000 by default; 0 tries once. */
  readonly patienceMs?: number;
  /** A connection on which nothing moves for so long is given up, in ms: 60,000 by default. */
  readonly timeoutMs?: number;
  /** Time and chance, for tests. */
  readonly clock?: ClientClock;
}

/** What every call takes. To bound the whole of it, pass `AbortSignal.timeout(ms)`. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Instead of the client's; of calls that wait for a job 30,000 by default. */
  readonly patienceMs?: number | undefined;
}

export interface SubmitOptions extends CallOptions {
  /**
   * 1 to 255 visible ASCII characters: the same submission under the same key gives the job of the first one.
   * Where there is none, the client makes one for its own repetitions.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Which jobs: those that fit in all that is given. */
export interface JobQuery {
  readonly status?: Status | undefined;
  readonly type?: string | undefined;
  /** As `name=value`. */
  readonly label?: string | undefined;
}
