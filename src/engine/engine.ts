/**
 * The seam to the truth about jobs and their hand-out. One method is one atomic, conditional operation with a
 * typed outcome; no caller knows which engine it has.
 *
 * Times are milliseconds since the epoch. Where a method changes a job, the guard is that of the life cycle's
 * table (src/jobs/life-cycle.ts), checked inside the operation.
 *
 * Every method may reject with DrayError `storage-full` (nothing of that call was stored) or `unavailable`
 * (the engine is closed or its server away).
 */
import type { Status } from '../jobs/life-cycle.js';
import type { Payload } from '../jobs/payload.js';
import type { Priority } from '../jobs/priority.js';
import type { RetryPolicy } from '../jobs/retry.js';

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly permanent: boolean;
  /** What the task says of it beyond that, as JSON at most `limits.errorDetails`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface Progress {
  /** In [0, 1]. */
  readonly fraction: number;
  readonly message?: string;
}

export interface EndedAttempt {
  readonly attempt: number;
  readonly worker: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: 'completed' | 'failed' | 'expired' | 'released' | 'cancelled';
  readonly error?: Failure;
  /** Largest resident set of the executor, in bytes. */
  readonly peakMemory?: number;
}

export interface NewJob {
  /** UUIDv7, made by the caller. */
  readonly id: string;
  readonly type: string;
  readonly input: Payload;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
  /** A whole number from 1 on, in a unit of the type's own; see Task.work. */
  readonly work: number;
  readonly priority: Priority;
  /** The job is scheduled until then; absent or not in the future: it is pending at once. */
  readonly runAt?: number;
  /**
   * Of the jobs of one type and name at most `places` are released at a time; the rest are held, and get their
   * places by priority and age. A job has its place from there to its end or its backoff, also while it is handed
   * back. The latest submit's number holds for all; where it is lower, nobody loses a place that he has.
   */
  readonly key?: { readonly name: string; readonly places: number };
  readonly labels: Readonly<Record<string, string>>;
  /** The blobs that the input names, and the one that holds it: `prune` leaves them while the job is there. */
  readonly blobs: readonly string[];
  /**
   * By whom the end of the job is told elsewhere: `name`, or `name:rest` where `rest` is for the one of that name, at
   * most `limits.projection` bytes in all. See src/control/projections.ts.
   */
  readonly projection?: string;
}

export interface Job {
  readonly id: string;
  readonly type: string;
  readonly status: Status;
  /** Grows by one with every change of state. */
  readonly version: number;
  readonly input: Payload;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
  /** Attempts counted so far: 0 before the first claim, then the number of the current or latest attempt. */
  readonly attempt: number;
  /** How many attempts the job gets in all; a redrive grants `retry.attempts` more. */
  readonly maxAttempts: number;
  readonly priority: Priority;
  readonly key?: string;
  /** True where the job is pending and waits for a place of its key. */
  readonly held: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: number;
  /** When a scheduled job is due. */
  readonly runAt?: number;
  /** Of the current or latest attempt; absent while that waits for its turn at its worker. */
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly worker?: string;
  readonly progress?: Progress;
  readonly result?: Payload;
  /** The latest error. */
  readonly error?: Failure;
  /** The latest ended attempts, oldest first, at most `limits.history`. */
  readonly attempts: readonly EndedAttempt[];
}

/** A worker's right to run one attempt. Every write of the attempt carries the token. */
export interface Lease {
  readonly job: Job;
  readonly token: string;
}

export type Outcome = 'applied' | 'stale' | 'not-found';

export interface JobEvent {
  readonly id: string;
  readonly type: string;
  readonly status: Status;
  readonly version: number;
}

/** The end of a job that is to be told elsewhere, and was not yet. */
export interface UntoldEnd {
  /** The job's id. */
  readonly id: string;
  /** As it was submitted. */
  readonly projection: string;
  /** Of this end: a job that is re-driven ends anew. */
  readonly mark: string;
}

/** What there is of one type, and what has happened to it. */
export interface TypeCounts {
  readonly type: string;
  /** Jobs in each status now. */
  readonly jobs: Readonly<Record<Status, number>>;
  /** Of the pending jobs, those that wait for a place of their key. */
  readonly held: number;
  /** True where nothing of the type is handed out. */
  readonly paused: boolean;
  /** The work of the pending jobs that are not held, together. */
  readonly pendingWork: number;
  /** Since when the job has waited that has waited longest, of those that are pending and not held. */
  readonly oldestPendingAt?: number;
  /** Counted up from some moment that a restart may move: readers take differences. */
  readonly totals: {
    readonly submitted: number;
    /** Attempts that ended, by outcome. */
    readonly attempts: Readonly<Record<EndedAttempt['outcome'], number>>;
    /** How long the completed attempts ran, and how much work they were. */
    readonly ranMs: number;
    readonly work: number;
  };
}

/** Which jobs are meant: those that fit in all that is given. */
export interface JobFilter {
  readonly status?: Status;
  readonly type?: string;
  readonly label?: { readonly name: string; readonly value: string };
}

/** Where a waiting job stands. Numbers of jobs are counted up to `limits.ahead`. */
export interface Standing {
  readonly job: Job;
  readonly paused: boolean;
  /**
   * Jobs of its own type and priority that are handed out before it; of a held one, that get a place before it; 0 of
   * a job that is not pending.
   */
  readonly ahead: number;
  /** Of its key: how many jobs have a place, and how many places there are. */
  readonly key?: { readonly taken: number; readonly places: number };
}

export interface ListParams extends JobFilter {
  /** From an earlier page's `nextCursor`. */
  readonly cursor?: string;
  readonly limit: number;
}

export interface Engine {
  /**
   * Stores all jobs or none. Durable when the promise resolves. Ids must be new. With `once`, a submit whose key is
   * known stores nothing: it gives the jobs of the first one as they are now, or a conflict where the fingerprint
   * differs. Jobs that were removed since are missing then. A submit that was refused is not remembered. With
   * `onlyKnown` nothing new is stored: the answer is `unknown` where the key is not known.
   */
  submit(params: {
    jobs: readonly NewJob[];
    once?: { key: string; fingerprint: string; onlyKnown?: boolean };
  }): Promise<
    | { readonly kind: 'stored' | 'repeated'; readonly jobs: readonly Job[] }
    | { readonly kind: 'conflict' }
    | { readonly kind: 'unknown' }
  >;

  /**
   * Leases up to `max` pending jobs of the given types that are neither held nor paused: of the priorities in
   * their turns (src/jobs/priority.ts), within one first what has waited longest, the time of attempts not
   * counted; lists them in this order. Where the hand-out is a queue of another system, a job that comes back, or
   * gets a place of its key, goes to its end. Claims of the same types share their turns, and claims of other types do
   * not change them. Waits until there is at least one job, or until the signal aborts: then an empty list, never
   * an error. Jobs leased at that very moment are still returned.
   *
   * Of `max` leases the last `ahead` wait for their turn at the worker: their attempts have not begun, until a
   * heartbeat or their end says that they have. A lease that runs out before costs its job no attempt, as long as
   * that has not happened too often.
   */
  claim(params: {
    worker: string;
    types: readonly string[];
    max: number;
    ahead?: number;
    leaseMs: number;
    signal: AbortSignal;
  }): Promise<readonly Lease[]>;

  /** Renews leases, stores progress and since when an attempt runs that was leased ahead; `stale` says that the lease is lost and the attempt must stop. */
  heartbeat(params: {
    leases: readonly { id: string; token: string; progress?: Progress; startedAt?: number }[];
    leaseMs: number;
  }): Promise<readonly Outcome[]>;

  /** in-progress → completed. `ranMs` is how long the attempt ran, without any wait for a slot. */
  complete(params: {
    id: string;
    token: string;
    result: Payload;
    peakMemory?: number;
    ranMs?: number;
    /** The blobs that the result names, and the one that holds it. */
    blobs?: readonly string[];
  }): Promise<Outcome>;

  /**
   * in-progress → scheduled in `retryInMs`, or → failed where that is absent. The caller decides by the retry
   * rule (src/jobs/retry.ts). `ranMs` as in `complete`.
   */
  fail(params: {
    id: string;
    token: string;
    error: Failure;
    retryInMs?: number;
    peakMemory?: number;
    ranMs?: number;
    /** The blobs that the error names: the job keeps them, also where it runs again. */
    blobs?: readonly string[];
  }): Promise<Outcome>;

  /** in-progress → pending, uncounted: the worker hands the job back unfinished. */
  release(params: { id: string; token: string }): Promise<Outcome>;

  /** scheduled | pending | in-progress → cancelled. `stale` where the job is final already. */
  cancel(params: { id: string }): Promise<Outcome>;

  /** failed → pending, with `retry.attempts` more attempts. `stale` in any other state. */
  redrive(params: { id: string }): Promise<Outcome>;

  /**
   * Cancels or re-drives up to `limit` jobs that fit the filter and whose state allows it, newest first. Places of
   * keys are given after all of these changes.
   * @returns how many, and whether there may be more.
   */
  changeAll(params: {
    change: 'cancel' | 'redrive';
    filter: JobFilter;
    limit: number;
  }): Promise<{ readonly changed: number; readonly more: boolean }>;

  /** Stops the hand-out of a type: what runs goes on, what waits stays. Again is harmless. */
  pause(params: { type: string }): Promise<void>;

  /** Goes on with it. */
  resume(params: { type: string }): Promise<void>;

  get(params: { id: string }): Promise<Job | undefined>;

  /** The job, and what it waits for where it is pending. */
  standing(params: { id: string }): Promise<Standing | undefined>;

  /** Newest first. A page may be shorter than `limit` where its jobs are large; `nextCursor` tells. */
  list(params: ListParams): Promise<{ readonly jobs: readonly Job[]; readonly nextCursor?: string }>;

  /**
   * The counts of every type that has jobs or is paused, and of those whose jobs were all removed as long as their
   * totals last. Cheap however many jobs there are.
   */
  counts(): Promise<readonly TypeCounts[]>;

  /**
   * Calls `listener` after each change of state or progress. Best effort: an event may be lost, so a reader
   * re-reads. Returns the function that ends the subscription.
   */
  subscribe(listener: (event: JobEvent) => void): () => void;

  /**
   * Passes on what a running job prints to those who listen to it right now, of whichever process. Best effort: stored
   * nowhere, and never an error.
   * @param params.text at most some KiB: whoever calls bounds how much it is.
   */
  tell(params: { id: string; text: string }): void;

  /** Calls `listener` with what the job prints from now on. @returns the function that ends it. */
  listen(params: { id: string; listener: (text: string) => void }): () => void;

  /**
   * Releases due jobs, then expires leases that ran out, and goes on where a key had so many free places that they
   * could not be filled at once. Safe to call at any time, from several places at once.
   * @returns how many of each, and in how many ms the next scheduled job is due, where one is.
   */
  maintain(): Promise<{ readonly released: number; readonly expired: number; readonly nextDueInMs?: number }>;

  /**
   * Removes up to `limit` finished jobs: those that ended before `before`, and of the others the oldest so that at
   * most `keep` are left. Forgets keys of submits that are older than `before` too.
   * @returns how many jobs, the blobs that no job uses any more, and whether there is more to remove or to forget.
   */
  prune(params: {
    before: number;
    keep: number;
    limit: number;
  }): Promise<{ readonly removed: number; readonly blobs: readonly string[]; readonly more: boolean }>;

  /** Those of the blobs that no job uses. */
  unusedBlobs(params: { blobs: readonly string[] }): Promise<readonly string[]>;

  /**
   * Ends of jobs with a projection that are to be told elsewhere, and may be now: the oldest end first, among which
   * those that had been put off have no certain place. An end stays until it is told, or its job is re-driven or removed.
   */
  projections(params: { limit: number }): Promise<readonly UntoldEnd[]>;

  /** These ends were told, or are put off by `againInMs`. What is not to be told any more is passed over. */
  projected(params: { ends: readonly { mark: string; againInMs?: number }[] }): Promise<void>;

  /** Resolves when the store answers. */
  ping(): Promise<void>;

  close(): Promise<void>;
}
