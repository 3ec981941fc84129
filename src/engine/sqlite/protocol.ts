/** What the main thread and the thread that owns the database say to each other. Plain data only. */
import type { ErrorCode } from '../../jobs/errors.js';
import type { Outcome, TypeCounts, UntoldEnd } from '../engine.js';
import type { Change } from './rows.js';

/** A job as its columns, JSON already written. Exactly one of `input` and `inputBlob` is not null. */
export interface StoredJob {
  readonly id: string;
  readonly type: string;
  readonly input: string | null;
  readonly inputBlob: string | null;
  readonly retry: string;
  readonly timeoutMs: number;
  readonly maxAttempts: number;
  readonly work: number;
  readonly priority: number;
  /** With the number of its places; both null or neither. */
  readonly key: string | null;
  readonly places: number | null;
  /** JSON object. */
  readonly labels: string;
  readonly runAt: number | null;
  readonly blobs: readonly string[];
  readonly projection: string | null;
}

/** A JobFilter as the statements take it. */
export interface StoredFilter {
  readonly status: number | null;
  readonly type: string | null;
  readonly label: { readonly name: string; readonly value: string } | null;
}

/** Params and result of each operation. Jobs come back as the text of their `record` (rows.ts). */
export interface Operations {
  /** With `once` and a known key, the records of the earlier jobs or a conflict; with keys, those of the jobs. */
  submit: {
    params: {
      jobs: readonly StoredJob[];
      once: { key: string; fingerprint: string; onlyKnown?: boolean } | null;
    };
    result:
      | { kind: 'stored'; createdAt: number; records?: undefined }
      | { kind: 'stored' | 'repeated'; records: readonly string[] }
      | { kind: 'conflict' }
      | { kind: 'unknown' };
  };
  /** `token` is random and unique to the call: the leases' tokens are made from it. */
  claim: {
    params: {
      worker: string;
      types: readonly string[];
      max: number;
      ahead: number;
      leaseMs: number;
      token: string;
    };
    result: readonly string[];
  };
  heartbeat: {
    params: {
      leases: readonly { id: string; token: string; progress: string | null; startedAt: number | null }[];
      leaseMs: number;
    };
    result: readonly Outcome[];
  };
  complete: {
    params: {
      id: string;
      token: string;
      result: string | null;
      resultBlob: string | null;
      peakMemory: number | null;
      ranMs: number;
      blobs: readonly string[];
    };
    result: Outcome;
  };
  fail: {
    params: {
      id: string;
      token: string;
      error: string;
      retryInMs: number | null;
      peakMemory: number | null;
      ranMs: number;
      blobs: readonly string[];
    };
    result: Outcome;
  };
  release: { params: { id: string; token: string }; result: Outcome };
  cancel: { params: { id: string }; result: Outcome };
  redrive: { params: { id: string }; result: Outcome };
  changeAll: {
    params: { change: 'cancel' | 'redrive'; filter: StoredFilter; limit: number };
    result: { changed: number; more: boolean };
  };
  pause: { params: { type: string }; result: true };
  resume: { params: { type: string }; result: true };
  standing: {
    params: { id: string };
    result:
      { record: string; paused: boolean; ahead: number; key?: { taken: number; places: number } } | undefined;
  };
  prune: {
    params: { before: number; keep: number; limit: number };
    result: { removed: number; blobs: readonly string[]; more: boolean };
  };
  unusedBlobs: { params: { blobs: readonly string[] }; result: readonly string[] };
  projections: { params: { limit: number }; result: readonly UntoldEnd[] };
  projected: { params: { ends: readonly { mark: string; againInMs?: number }[] }; result: true };
  get: { params: { id: string }; result: string | undefined };
  /** `before` is exclusive. */
  list: {
    params: { filter: StoredFilter; before: number; limit: number };
    result: { records: readonly string[]; more: boolean };
  };
  counts: { params: Record<string, never>; result: readonly TypeCounts[] };
  maintain: {
    params: Record<string, never>;
    result: { released: number; expired: number; nextDueInMs?: number };
  };
  ping: { params: Record<string, never>; result: true };
}

export type OperationName = keyof Operations;
export type Params<K extends OperationName> = Operations[K]['params'];
export type Result<K extends OperationName> = Operations[K]['result'];

export type Request<K extends OperationName = OperationName> = {
  readonly [N in K]: { readonly op: N; readonly params: Params<N> };
}[K];

/** The moment of a batch by the main thread's clock: wall clock and monotonic, in ms. */
export interface Moment {
  readonly now: number;
  readonly monotonic: number;
}

export interface Batch {
  readonly at: Moment;
  readonly requests: readonly Request[];
}

export interface StoreError {
  readonly code: ErrorCode;
  readonly detail: string;
}

export type Answer =
  | { readonly ok: true; readonly result: Result<OperationName> }
  | { readonly ok: false; readonly error: StoreError };

/**
 * Sent after the commit: an answer for each request, in order, and all changes. `wake` tells that jobs may be
 * claimed that could not be when the claims of the batch, if it had any, were looked at.
 */
export interface Reply {
  readonly answers: readonly Answer[];
  readonly changes: readonly Change[];
  readonly wake: boolean;
}

/** The first message of the thread, then one `reply` per batch. */
export type FromThread =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly error: StoreError }
  | { readonly kind: 'reply'; readonly reply: Reply };

export type ToThread = { readonly kind: 'batch'; readonly batch: Batch } | { readonly kind: 'close' };

export interface ThreadData {
  readonly file: string;
  readonly now: number;
}

/** Messages cross as JSON, so numbers are finite: to clone one text is much cheaper than many small objects. */
export function write(message: FromThread | ToThread): string {
  return JSON.stringify(message);
}

export function read(text: string): unknown {
  return JSON.parse(text);
}
