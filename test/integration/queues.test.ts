/** Job types as a whole over HTTP: their figures, pause and resume, changes by filter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BulkChanged, Queue } from '../../src/contract/queue.js';
import { ended, read, submit, type Job } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ['--max-executors', '2'] });
});
afterAll(() => server.stop());

async function queue(type: string): Promise<Queue> {
  const { queues } = (await (await fetch(`${server.url}/v1/queues`)).json()) as { queues: Queue[] };
  return queues.find((candidate) => candidate.type === type)!;
}
const turn = (type: string, change: 'pause' | 'resume'): Promise<Response> =>
  fetch(`${server.url}/v1/queues/${encodeURIComponent(type)}/${change}`, { method: 'POST' });

async function changeAll(change: 'cancel' | 'redrive', filter: unknown): Promise<Response> {
  return fetch(`${server.url}/v1/jobs/${change}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(filter),
  });
}
const changed = async (change: 'cancel' | 'redrive', filter: unknown): Promise<BulkChanged> =>
  (await (await changeAll(change, filter)).json()) as BulkChanged;

describe('GET /v1/queues', () => {
  it('lists every type that a task runs, with its workers', async () => {
    const { workers } = (await (await fetch(`${server.url}/v1/workers`)).json()) as {
      workers: { id: string; types: string[]; slots: number }[];
    };
    expect(workers[0]!.types).toContain('matmul');
    const { jobs, paused, slots, workers: serving, meanSeconds } = await queue('matmul');
    expect({ paused, serving, meanSeconds }).toEqual({
      paused: false,
      serving: [workers[0]!.id],
      meanSeconds: undefined,
    });
    expect(slots).toBeGreaterThan(0);
    expect(jobs).toEqual({
      scheduled: 0,
      pending: 0,
      'in-progress': 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    });
  });

  it('counts what has happened since the start', async () => {
    await ended(server.url, (await submit(server.url, 'sleep', { seconds: 0.01 })).id);
    const { jobs, meanSeconds, submittedPerSecond, completedPerSecond } = await queue('sleep');
    expect(jobs.completed).toBe(1);
    expect(meanSeconds).toBeGreaterThanOrEqual(0.01);
    expect(submittedPerSecond).toBeGreaterThan(0);
    expect(completedPerSecond).toBeGreaterThan(0);
  });
});

describe('pausing a type', () => {
  it('keeps its jobs waiting, and those of other types going, until it is resumed', async () => {
    expect((await (await turn('echo', 'pause')).json()) as Queue).toMatchObject({ paused: true });
    const waiting = await submit(server.url, 'echo', 1);
    await ended(server.url, (await submit(server.url, 'sleep', { seconds: 0 })).id);
    expect((await read(server.url, waiting.id)).status).toBe('pending');
    expect(await queue('echo')).toMatchObject({ paused: true, jobs: { pending: 1 } });
    expect(await (await turn('echo', 'resume')).json()).toMatchObject({ paused: false });
    expect((await ended(server.url, waiting.id)).status).toBe('completed');
  });

  it('holds over a restart', async () => {
    const first = await startServer();
    await fetch(`${first.url}/v1/queues/echo/pause`, { method: 'POST' });
    await first.kill();
    const second = await startServer({ data: first.data });
    try {
      const { queues } = (await (await fetch(`${second.url}/v1/queues`)).json()) as { queues: Queue[] };
      expect(queues.find(({ type }) => type === 'echo')!.paused).toBe(true);
    } finally {
      await second.stop();
      await first.stop();
    }
  });

  it('is refused for a type that there is not', async () => {
    for (const change of ['pause', 'resume'] as const) {
      const response = await turn('no such type', change);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'unknown-type', field: 'type' });
    }
  });
});

describe('changes by filter', () => {
  it('cancel what fits, and leave the rest', async () => {
    await turn('echo', 'pause');
    const labels = { team: 'a=b' };
    const red = await submit(server.url, 'echo', 1, { labels });
    const other = await submit(server.url, 'echo', 2);
    expect(await changed('cancel', { type: 'echo', label: 'team=a=b' })).toEqual({ changed: 1, more: false });
    expect((await read(server.url, red.id)).status).toBe('cancelled');
    expect((await read(server.url, other.id)).status).toBe('pending');
    expect(await changed('cancel', { type: 'echo', status: 'in-progress' })).toMatchObject({ changed: 0 });
    expect(await changed('cancel', { status: 'pending' })).toEqual({ changed: 1, more: false });
    await turn('echo', 'resume');
  });

  it('cancel more jobs than are changed in one go', async () => {
    await turn('echo', 'pause');
    const submits = Array.from({ length: 1_203 }, (_, i) => submit(server.url, 'echo', i));
    const jobs = await Promise.all(submits);
    expect(await changed('cancel', { type: 'echo' })).toEqual({ changed: jobs.length, more: false });
    expect((await queue('echo')).jobs.pending).toBe(0);
    await turn('echo', 'resume');
  });

  it('re-drive each failed job once, also where it fails again at once', async () => {
    const input = { seconds: 0, failTimes: 1_000, failWith: 'permanent' };
    const failing: Job[] = await Promise.all([1, 2, 3].map(() => submit(server.url, 'sleep', input)));
    for (const { id } of failing) expect((await ended(server.url, id)).status).toBe('failed');
    const answer = await changed('redrive', { type: 'sleep' });
    expect(answer.changed).toBe(3);
    const again = (id: string) =>
      eventually(
        () => read(server.url, id),
        ({ attempts }) => attempts.length > 1,
      );
    for (const { id } of failing) expect((await again(id)).attempts).toHaveLength(2);
  });

  it('are refused where they could mean every job by oversight, or none', async () => {
    const wrong: readonly [unknown, string][] = [
      [{}, 'body'],
      [{ all: true, type: 'echo' }, 'all'],
      [{ all: false }, 'all'],
      [{ types: 'echo' }, 'types'],
      [{ status: 'completed' }, 'status'],
      [{ label: 'team' }, 'label'],
      [[], 'body'],
    ];
    for (const [filter, field] of wrong) {
      const response = await changeAll('cancel', filter);
      expect(response.status, JSON.stringify(filter)).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'invalid-request', field });
    }
    const pending = await changeAll('redrive', { status: 'pending' });
    expect(await pending.json()).toMatchObject({ code: 'invalid-request', field: 'status' });
    const unsaid = await fetch(`${server.url}/v1/jobs/cancel`, { method: 'POST', body: '{"all":true}' });
    expect(await unsaid.json()).toMatchObject({ code: 'unsupported-media-type' });
  });
});
