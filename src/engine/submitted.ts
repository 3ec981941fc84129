import type { Job, NewJob } from './engine.js';

/** The job as its submit stored it, without reading it back. Whether one with a key is held its store must say. */
export function submittedJob(job: NewJob, createdAt: number, held = false): Job {
  const delayed = job.runAt !== undefined && job.runAt > createdAt;
  return {
    id: job.id,
    type: job.type,
    status: delayed ? 'scheduled' : 'pending',
    version: 1,
    input: job.input,
    retry: job.retry,
    timeoutMs: job.timeoutMs,
    attempt: 0,
    maxAttempts: job.retry.attempts,
    priority: job.priority,
    ...(job.key && { key: job.key.name }),
    held,
    labels: job.labels,
    createdAt,
    ...(delayed && { runAt: job.runAt }),
    attempts: [],
  };
}
