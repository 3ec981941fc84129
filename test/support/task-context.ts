/** What a task's attempt may use, for tests that run a task without a worker. */
import type { BlobStore } from '../../src/blobs/blob-store.js';
import { GiB } from '../../src/jobs/limits.js';
import type { TaskContext } from '../../src/tasks/task.js';
import { MemoryBlobs } from './memory-blobs.js';

export interface RecordedContext extends TaskContext {
  readonly fractions: number[];
  readonly warnings: string[];
  readonly controller: AbortController;
}

export function taskContext(
  given: {
    blobs?: BlobStore;
    attempt?: number;
    memoryLimit?: number;
    onProgress?: (fraction: number) => void;
  } = {},
): RecordedContext {
  const controller = new AbortController();
  const fractions: number[] = [];
  const warnings: string[] = [];
  return {
    jobId: '01890000-0000-7000-8000-000000000001',
    attempt: given.attempt ?? 1,
    signal: controller.signal,
    blobs: given.blobs ?? new MemoryBlobs(),
    log: { info: () => undefined, warn: (message) => void warnings.push(message) },
    memoryLimit: given.memoryLimit ?? 1 * GiB,
    threads: () => 1,
    progress: (fraction) => {
      fractions.push(fraction);
      given.onProgress?.(fraction);
    },
    fractions,
    warnings,
    controller,
  };
}
