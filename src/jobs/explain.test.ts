/** Why a job is where it is, from snapshots. */
import { describe, expect, it } from 'vitest';
import { explain, type ExplainSnapshot } from './explain.js';

const now = 1_750_000_000_000;
const worker = { id: 'w1', types: ['matmul', 'echo'], slots: 2, busy: 2 };
const job = {
  id: 'j1',
  type: 'matmul',
  status: 'pending',
  attempt: 0,
  maxAttempts: 5,
  priority: 'normal',
  held: false,
  createdAt: now - 1_000,
} as const;

type Changes = Partial<Omit<ExplainSnapshot, 'job'>> & { job?: Partial<ExplainSnapshot['job']> };

function explained(changes: Changes) {
  const { job: jobChanges, ...rest } = changes;
  const base = { paused: false, ahead: 0, workers: [worker], ready: new Map<string, number>(), now };
  const { reasons, ...others } = explain({ ...base, ...rest, job: { ...job, ...jobChanges } });
  return {
    codes: reasons.map(({ code }) => code),
    text: reasons.map(({ message }) => message).join('\n'),
    ...others,
  };
}

describe('explaining a pending job', () => {
  it('says that it starts at once where nothing is in its way', () => {
    const { codes, expectedStart } = explained({ workers: [{ ...worker, busy: 0 }] });
    expect(codes).toEqual(['about-to-start']);
    expect(expectedStart).toMatchObject({ at: now, kind: 'estimate' });
  });

  it('does not count on a worker that stops', () => {
    expect(explained({ workers: [{ ...worker, busy: 0, stopping: true }] }).codes).toEqual(['no-worker']);
  });

  it('counts the jobs before it and works out its start from their run time', () => {
    const { codes, text, expectedStart } = explained({ ahead: 5, meanMs: 4_000 });
    expect(codes).toEqual(['jobs-ahead', 'slots-busy']);
    expect(text).toContain('5 jobs of its type and priority (normal) come before it');
    expect(expectedStart).toMatchObject({ at: now + 12_000, kind: 'estimate' });
    expect(expectedStart?.basis).toContain('4 s');
  });

  it('gives no start where nobody knows how long its type takes', () => {
    expect(explained({ ahead: 5 }).expectedStart).toBeUndefined();
  });

  it('takes the start for the earliest where other types wait for the same workers', () => {
    const ready = new Map([
      ['echo', 3],
      ['unserved', 9],
      ['matmul', 6],
    ]);
    const { text, expectedStart } = explained({ ahead: 1, meanMs: 1_000, ready });
    expect(text).toContain('3 jobs of other types');
    expect(expectedStart?.kind).toBe('earliest');
  });

  it('takes the start for the earliest where jobs of its type have another priority', () => {
    const start = (ready: number) =>
      explained({ ahead: 1, meanMs: 1_000, ready: new Map([['matmul', ready]]) }).expectedStart?.kind;
    expect(start(2)).toBe('estimate');
    expect(start(5)).toBe('earliest');
  });

  it('speaks of slots: not every type has executors', () => {
    const { text, expectedStart } = explained({ ahead: 2, meanMs: 1_000 });
    expect(text).toContain('all 2 slots for it are busy');
    expect(text + expectedStart!.basis).not.toContain('executor');
  });

  it('names the key whose places are taken', () => {
    const { codes, text, expectedStart } = explained({
      job: { held: true, key: 'tenant-7' },
      key: { taken: 3, places: 3 },
      ahead: 2,
      meanMs: 1_000,
    });
    expect(codes[0]).toBe('key-full');
    expect(text).toContain('concurrency key "tenant-7"');
    expect(text).toContain('3 of 3 places are taken; 2 jobs of this key get one before it');
    expect(expectedStart).toMatchObject({ at: now + 1_000, kind: 'earliest' });
  });

  it('puts a pause first, says how to end it, and promises no start', () => {
    const { codes, next, expectedStart } = explained({ paused: true, ahead: 4, meanMs: 10 });
    expect(codes[0]).toBe('paused');
    expect(next).toContain('/v1/queues/matmul/resume');
    expect(expectedStart).toBeUndefined();
  });

  it('finds that no worker serves the type', () => {
    for (const workers of [[], [{ ...worker, types: ['echo'] }], [{ ...worker, slots: 0, busy: 0 }]]) {
      const { codes, next, expectedStart } = explained({ workers, meanMs: 10 });
      expect(codes).toEqual(['no-worker']);
      expect(next).toContain('worker');
      expect(expectedStart).toBeUndefined();
    }
  });
});

describe('explaining a scheduled job', () => {
  it('tells a delay from a backoff', () => {
    const delayed = explained({ job: { status: 'scheduled', runAt: now + 90_000 } });
    expect(delayed.codes).toEqual(['delayed']);
    expect(delayed.text).toContain('another 90 s');
    expect(delayed.expectedStart).toMatchObject({ at: now + 90_000, kind: 'earliest' });
    const backingOff = explained({
      job: {
        status: 'scheduled',
        runAt: now + 500,
        attempt: 2,
        error: { code: 'timeout', message: 'too long', permanent: false },
      },
    });
    expect(backingOff.codes).toEqual(['backing-off']);
    expect(backingOff.text).toContain('attempt 2 of 5 failed: timeout: too long');
  });

  it('promises no start while its type is paused', () => {
    const { codes, expectedStart } = explained({
      paused: true,
      job: { status: 'scheduled', runAt: now + 500 },
    });
    expect(codes).toEqual(['delayed', 'paused']);
    expect(expectedStart).toBeUndefined();
  });
});

describe('explaining a running job', () => {
  const running = { status: 'in-progress', attempt: 1, startedAt: now - 30_000 } as const;

  it('says since when, by whom and how far', () => {
    const { text } = explained({
      job: { ...running, worker: 'w1', progress: { fraction: 0.409, message: 'row 4' } },
    });
    expect(text).toBe('attempt 1 of 5 runs for 30 s by w1; it is 40 % done (row 4)');
  });

  it('says that it waits at its worker where its attempt has not begun', () => {
    const { codes, text } = explained({ job: { status: 'in-progress', attempt: 1, worker: 'w1' } });
    expect(codes).toEqual(['about-to-start']);
    expect(text).toBe('it waits for its turn at w1');
  });

  it('notices that its worker is not there', () => {
    expect(explained({ job: { ...running, worker: 'w9' } }).text).toContain('w9, which is not there now');
  });
});

describe('explaining a job that has ended', () => {
  it('gives the help of the error and the way back', () => {
    const { text, next } = explained({
      job: {
        status: 'failed',
        attempt: 1,
        finishedAt: now,
        error: { code: 'out-of-memory', message: 'killed at 3 GB', permanent: true },
      },
    });
    expect(text).toContain('out-of-memory: killed at 3 GB; the error is one that a retry cannot help');
    expect(next).toContain('Raise --executor-memory');
    expect(next).toContain('/v1/jobs/j1/redrive');
  });

  it('has no help of an error that is the task’s own, whatever its name', () => {
    const error = { code: 'toString', message: 'odd', permanent: false };
    const { next } = explained({ job: { status: 'failed', attempt: 5, error } });
    expect(next).toBe('When the cause is gone, a redrive gives it new attempts: POST /v1/jobs/j1/redrive.');
  });

  it('points to the result of a completed one', () => {
    expect(explained({ job: { status: 'completed', attempt: 1 } }).next).toContain('/v1/jobs/j1/result');
    expect(explained({ job: { status: 'cancelled' } }).codes).toEqual(['cancelled']);
  });
});
