/** What is behind a slot: it runs one attempt at a time, in a process of its own or in the worker's. */
import type { Worker as WorkerView } from '../contract/worker.js';
import type { Failure, Progress } from '../engine/engine.js';
import type { Payload } from '../jobs/payload.js';
import type { StopReason } from '../tasks/stopped.js';
import type { TaskLog } from '../tasks/task.js';
import type { RunNews, RunRequest } from './protocol.js';

/** `peakMemory` is in bytes, and absent where the job had no process of its own; `ms` where it did not run to its end. */
export type RunOutcome = { readonly peakMemory?: number; readonly ms?: number } & (
  | { readonly kind: 'done'; readonly result: Payload; readonly blobs: readonly string[] }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly blobs?: readonly string[] }
  /** The runner could not be started: not the job's fault. */
  | { readonly kind: 'not-started'; readonly failure: Failure }
  /** The run waited in its runner, and never began. */
  | { readonly kind: 'returned' }
);

/** Tells one listener, once. An AbortSignal does the same for many, and costs more than a short job. */
export class Stop {
  #reason: StopReason | undefined;
  #listener: (() => void) | undefined;

  get reason(): StopReason | undefined {
    return this.#reason;
  }

  /** Called when it is stopped, in place of the listener before; at once where it has been. */
  listen(listener: (() => void) | undefined): void {
    this.#listener = listener;
    if (this.#reason !== undefined) listener?.();
  }

  /** The first reason counts. */
  stop(reason: StopReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#listener?.();
  }
}

/** Who watches a run. */
export interface RunObserver {
  readonly stop: Stop;
  /** The run begins: it has waited in its runner until now. */
  readonly onStart: () => void;
  readonly onProgress: (progress: Progress) => void;
  readonly onOutput: (text: string) => void;
  /** The log of the job. */
  readonly log: () => TaskLog;
}

/** What a run says on its way, to the one who watches it. */
export function pass(news: RunNews, observer: RunObserver): void {
  if (news.kind === 'progress') observer.onProgress(news.progress);
  else if (news.kind === 'output') observer.onOutput(news.text);
  else observer.log()[news.level](news.message, news.details);
}

export interface Runner {
  /** False where the next job must get a fresh one. */
  readonly usable: boolean;
  /** True where more runs may be asked for than one: they wait in it for their turn. */
  readonly queues: boolean;
  /** As `/v1/workers` shows it; undefined where it is no process of its own. */
  readonly view: WorkerView['executors'][number] | undefined;
  /**
   * Runs one attempt. Once it is stopped, the task has a grace period to end; then the run ends without it. Whatever
   * happens is told as an outcome, never thrown.
   */
  run(request: RunRequest, observer: RunObserver): Promise<RunOutcome>;
  setThreads(threads: number): void;
  /** Resolves once nothing of it is left. */
  close(): Promise<void>;
}
