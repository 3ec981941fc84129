/** What worker and executor say to each other over the child process's channel, as JSON. */
import type { Failure, Progress } from '../engine/engine.js';
import type { Payload } from '../jobs/payload.js';

export interface RunRequest {
  readonly jobId: string;
  readonly type: string;
  readonly input: Payload;
  readonly attempt: number;
  readonly threads: number;
}

export interface RunMessage extends RunRequest {
  readonly kind: 'run';
  /** Numbers the runs of an executor: what a run says after its end is not taken for the next one's. */
  readonly run: number;
}

export type ToExecutor =
  | RunMessage
  | { readonly kind: 'abort'; readonly reason: string }
  | { readonly kind: 'threads'; readonly threads: number };

export type FromExecutor = { readonly kind: 'ready' } | (RunReport & { readonly run: number });

export type RunReport = RunNews | RunEnd;

/** What a run says on its way. */
export type RunNews =
  | { readonly kind: 'progress'; readonly progress: Progress }
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
  | { readonly kind: 'failed'; readonly failure: Failure };
