/** What is behind a slot: it runs one attempt at a time, in a process of its own or in the worker's. */
import type { Worker as WorkerView } from '../contract/worker.js';
import type { Failure, Progress } from '../engine/engine.js';
import type { Payload } from '../jobs/payload.js';
import type { TaskLog } from '../tasks/task.js';
import type { RunRequest } from './protocol.js';

/** `peakMemory` is in bytes, and absent where the job had no process of its own. */
export type RunOutcome = { readonly peakMemory?: number } & (
  | { readonly kind: 'done'; readonly result: Payload; readonly blobs: readonly string[] }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The runner never got as far as taking the job: not the job's fault. */
  | { readonly kind: 'not-started'; readonly failure: Failure }
);

/** Who watches a run. */
export interface RunObserver {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** The log of the job. */
  readonly log: () => TaskLog;
}

export interface Runner {
  /** False where the next job must get a fresh one. */
  readonly usable: boolean;
  /** As `/v1/workers` shows it; undefined where it is no process of its own. */
  readonly view: WorkerView['executors'][number] | undefined;
  /**
   * Runs one attempt. Once the signal aborts, the task has a grace period to end; then the run ends without it.
   * Whatever happens is told as an outcome, never thrown.
   */
  run(request: RunRequest, observer: RunObserver): Promise<RunOutcome>;
  setThreads(threads: number): void;
  /** Resolves once nothing of it is left. */
  close(): Promise<void>;
}
