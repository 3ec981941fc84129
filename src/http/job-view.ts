/** An engine's job as the API shows it. */
import type { Job as JobView } from '../contract/job.js';
import type { Job } from '../engine/engine.js';
import type { Payload } from '../jobs/payload.js';

export function viewJob(job: Job): JobView {
  const { key, runAt, startedAt, finishedAt, worker, progress, error } = job;
  return {
    id: job.id,
    type: job.type,
    status: job.status,
    version: job.version,
    priority: job.priority,
    ...(key === undefined ? {} : { concurrencyKey: key }),
    ...(job.held ? { held: true } : {}),
    labels: job.labels,
    ...payload('input', job.input),
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    timeoutMs: job.timeoutMs,
    createdAt: iso(job.createdAt),
    ...(runAt === undefined ? {} : { runAt: iso(runAt) }),
    ...(startedAt === undefined ? {} : { startedAt: iso(startedAt) }),
    ...(finishedAt === undefined ? {} : { finishedAt: iso(finishedAt) }),
    ...(worker === undefined ? {} : { worker }),
    ...(progress === undefined ? {} : { progress }),
    ...(job.result === undefined ? {} : payload('result', job.result)),
    ...(error === undefined ? {} : { error }),
    attempts: job.attempts.map((attempt) => ({
      ...attempt,
      startedAt: iso(attempt.startedAt),
      endedAt: iso(attempt.endedAt),
    })),
  };
}

function payload(name: string, value: Payload): Record<string, unknown> {
  return 'inline' in value ? { [name]: value.inline } : { [`${name}Blob`]: value.blob };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
