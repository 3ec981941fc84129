/** What worker and executor say to each other over the child process's channel, as JSON. */
import type { Failure, Progress } from '../engine/engine.js';
import type { Payload } from '../jobs/payload.js';
import type { PreviousAttempt } from '../tasks/task.js';
import type { StopReason } from '../tasks/stopped.js';

export interface RunRequest {
  readonly jobId: string;
  readonly type: string;
  readonly input: Payload;
  readonly attempt: number;
  /** How the attempt before ended. */
  readonly previous?: PreviousAttempt;
  readonly threads: number;
}

export interface RunMessage extends RunRequest {
  /** Numbers the runs of an executor: what a run says after its end is not taken for the next one's. */
  readonly run: number;
}

export type ToExecutor =
  /** Runs to do one after the other, behind those that it has. */
  | { readonly kind: 'run'; readonly runs: readonly RunMessage[] }
  /** Ends the run if it has begun, and drops it if it has not. */
  | { readonly kind: 'stop'; readonly run: number; readonly reason: StopReason }
  | { readonly kind: 'threads'; readonly threads: number };

export type FromExecutor = { readonly kind: 'ready' } | (RunReport & { readonly run: number });

/** What is said of a run; `ms` is how long it took, without the time that it waited in the executor. */
export type RunReport = RunNews | (RunEnd & { readonly ms: number }) | { readonly kind: 'dropped' };

/** What a run says on its way. */
export type RunNews =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'output'; readonly text: string }
  | {
      readonly kind: 'log';
      readonly level: 'info' | 'warn';
      readonly message: string;
      readonly details?: Record<string, unknown>;
    };

export type RunEnd =
  | {
      readonly kind: 'done';
      readonly result: Payload;
      /** Those that the result names, and the one that holds it. */
      readonly blobs: readonly string[];
    }
  | {
      readonly kind: 'failed';
      readonly failure: Failure;
      /** Those that its details name. */
      readonly blobs?: readonly string[];
    };
