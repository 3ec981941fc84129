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
import type { RetryPolicy } from '../jobs/retry.js';

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly permanent: boolean;
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
  readonly createdAt: number;
  /** When a scheduled job is due. */
  readonly runAt?: number;
  /** Of the current or latest attempt. */
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

/** What there is of one type, and what has happened to it. */
export interface TypeCounts {
  readonly type: string;
  /** Jobs in each status now. */
  readonly jobs: Readonly<Record<Status, number>>;
  /** The work of the pending jobs together. */
  readonly pendingWork: number;
  /** Since when the pending job has waited that has waited longest. */
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

export interface ListParams {
  readonly status?: Status;
  readonly type?: string;
  /** From an earlier page's `nextCursor`. */
  readonly cursor?: string;
  readonly limit: number;
}

export interface Engine {
  /** Stores all jobs or none, as `pending`. Durable when the promise resolves. Ids must be new. */
  submit(params: { jobs: readonly NewJob[] }): Promise<readonly Job[]>;

  /**
   * Leases up to `max` pending jobs of the given types, oldest first. Waits until there is at least one, or
   * until the signal aborts: then an empty list, never an error. Jobs leased at that very moment are still
   * returned.
   */
  claim(params: {
    worker: string;
    types: readonly string[];
    max: number;
    leaseMs: number;
    signal: AbortSignal;
  }): Promise<readonly Lease[]>;

  /** Renews leases and stores progress; `stale` says that the lease is lost and the attempt must stop. */
  heartbeat(params: {
    leases: readonly { id: string; token: string; progress?: Progress }[];
    leaseMs: number;
  }): Promise<readonly Outcome[]>;

  /** in-progress → completed. `ranMs` is how long the attempt ran, without any wait for a slot. */
  complete(params: {
    id: string;
    token: string;
    result: Payload;
    peakMemory?: number;
    ranMs?: number;
  }): Promise<Outcome>;

  /**
   * in-progress → scheduled in `retryInMs`, or → failed where that is absent. The caller decides by the retry
   * rule (src/jobs/retry.ts).
   */
  fail(params: {
    id: string;
    token: string;
    error: Failure;
    retryInMs?: number;
    peakMemory?: number;
  }): Promise<Outcome>;

  /** in-progress → pending, uncounted: the worker hands the job back unfinished. */
  release(params: { id: string; token: string }): Promise<Outcome>;

  /** scheduled | pending | in-progress → cancelled. `stale` where the job is final already. */
  cancel(params: { id: string }): Promise<Outcome>;

  /** failed → pending, with `retry.attempts` more attempts. `stale` in any other state. */
  redrive(params: { id: string }): Promise<Outcome>;

  get(params: { id: string }): Promise<Job | undefined>;

  /** Newest first. A page may be shorter than `limit` where its jobs are large; `nextCursor` tells. */
  list(params: ListParams): Promise<{ readonly jobs: readonly Job[]; readonly nextCursor?: string }>;

  /** The counts of every type that ever had a job here. Cheap however many jobs there are. */
  counts(): Promise<readonly TypeCounts[]>;

  /**
   * Calls `listener` after each change of state or progress. Best effort: an event may be lost, so a reader
   * re-reads. Returns the function that ends the subscription.
   */
  subscribe(listener: (event: JobEvent) => void): () => void;

  /**
   * Releases due jobs and expires leases that ran out. Safe to call at any time, from several places at once.
   * @returns how many of each, and in how many ms the next scheduled job is due, where one is.
   */
  maintain(): Promise<{ readonly released: number; readonly expired: number; readonly nextDueInMs?: number }>;

  /** Resolves when the store answers. */
  ping(): Promise<void>;

  close(): Promise<void>;
}
