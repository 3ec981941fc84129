/** What a task's attempt may use, for tests that run a task without a worker; it records what the task says. */
import type { BlobStore } from '../blobs/blob-store.js';
import { systemClock } from '../clock.js';
import { GiB } from '../jobs/limits.js';
import type { PreviousAttempt, TaskContext } from '../tasks/task.js';
import { MemoryBlobs } from './memory-blobs.js';

export interface RecordedProgress {
  /** As the task gave it. */
  readonly fraction: number;
  readonly message?: string;
}

export interface RecordedLog {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly details?: Record<string, unknown>;
}

export interface RecordedContext extends TaskContext {
  readonly reported: readonly RecordedProgress[];
  readonly logged: readonly RecordedLog[];
  /** What the task gave to `output`. */
  readonly printed: readonly string[];
  /** Aborts the attempt. */
  readonly controller: AbortController;
}

export interface GivenContext {
  readonly blobs?: BlobStore;
  /** 1 by default. */
  readonly attempt?: number;
  /** None by default. */
  readonly previous?: PreviousAttempt | undefined;
  /** Bytes; 1 GiB by default. */
  readonly memoryLimit?: number;
  readonly onProgress?: (fraction: number, message?: string) => void;
}

export function taskContext(given: GivenContext = {}): RecordedContext {
  const controller = new AbortController();
  const reported: RecordedProgress[] = [];
  const logged: RecordedLog[] = [];
  const printed: string[] = [];
  const log =
    (level: RecordedLog['level']) =>
    (message: string, details?: Record<string, unknown>): void =>
      void logged.push({ level, message, ...(details && { details }) });
  return {
    jobId: systemClock.id(),
    attempt: given.attempt ?? 1,
    ...(given.previous && { previous: given.previous }),
    signal: controller.signal,
    blobs: given.blobs ?? new MemoryBlobs(),
    log: { info: log('info'), warn: log('warn') },
    memoryLimit: given.memoryLimit ?? 1 * GiB,
    threads: () => 1,
    progress: (fraction, message) => {
      reported.push({ fraction, ...(message !== undefined && { message }) });
      given.onProgress?.(fraction, message);
    },
    output: (text) => void printed.push(text),
    reported,
    logged,
    printed,
    controller,
  };
}

/** What the task reported as its progress, in its order. */
export function fractionsOf({ reported }: RecordedContext): readonly number[] {
  return reported.map(({ fraction }) => fraction);
}
