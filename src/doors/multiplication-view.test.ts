import { describe, expect, it } from 'vitest';
import type { Job } from '../engine/engine.js';
import { statuses } from '../jobs/life-cycle.js';
import { defaultRetry } from '../jobs/retry.js';
import { viewMultiplication } from './multiplication-view.js';

const id = '01890000-0000-7000-8000-000000000001';
const jobWith = (changes: Partial<Job>): Job => ({
  id,
  type: 'matmul',
  status: 'pending',
  version: 1,
  input: { inline: {} },
  retry: defaultRetry,
  timeoutMs: 1_000,
  attempt: 0,
  maxAttempts: 5,
  priority: 'normal',
  held: false,
  labels: {},
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  attempts: [],
  ...changes,
});
const crash = { code: 'executor-crashed', message: 'reading input.a: it died', permanent: false };

describe('a multiplication', () => {
  it('that waits shows only what there is', () => {
    expect(viewMultiplication(jobWith({}))).toEqual({
      id,
      status: 'pending',
      attempts: 0,
      max_attempts: 5,
      created_at: '2026-01-02T03:04:05.006Z',
    });
  });

  it('is always in one of the four statuses that its clients know', () => {
    expect(
      Object.fromEntries(statuses.map((status) => [status, viewMultiplication(jobWith({ status })).status])),
    ).toEqual({
      scheduled: 'pending',
      pending: 'pending',
      'in-progress': 'in-progress',
      completed: 'completed',
      failed: 'failed',
      cancelled: 'failed',
    });
  });

  it('that runs shows who runs it, since when and how far it is', () => {
    const startedAt = Date.UTC(2026, 0, 2);
    const running = { status: 'in-progress', attempt: 2, startedAt, worker: 'w:1' } as const;
    expect(
      viewMultiplication(jobWith({ ...running, progress: { fraction: 0.25, message: 'x' } })),
    ).toMatchObject({
      status: 'in-progress',
      attempts: 2,
      started_at: '2026-01-02T00:00:00.000Z',
      worker: 'w:1',
      progress: 0.25,
    });
    const { progress } = viewMultiplication(jobWith({ status: 'completed', progress: { fraction: 0.8 } }));
    expect(progress).toBeUndefined();
  });

  it('that waits for its retry says why and until when', () => {
    const runAt = Date.UTC(2026, 0, 3);
    const view = viewMultiplication(jobWith({ status: 'scheduled', attempt: 1, runAt, error: crash }));
    expect(view).toMatchObject({
      status: 'pending',
      attempts: 1,
      retry_at: '2026-01-03T00:00:00.000Z',
      error: { code: 'executor-crashed', message: 'reading A: it died' },
    });
  });

  it('that was cancelled failed with an error that says so', () => {
    expect(viewMultiplication(jobWith({ status: 'cancelled', error: crash }))).toMatchObject({
      status: 'failed',
      error: { code: 'cancelled', message: 'the job was cancelled' },
    });
  });

  it('names the address of its result once it is completed', () => {
    expect(viewMultiplication(jobWith({ status: 'completed' })).result_url).toBe(
      `/matrix_multiplication/${id}/result`,
    );
    expect(viewMultiplication(jobWith({ status: 'failed' }))).not.toHaveProperty('result_url');
  });
});
