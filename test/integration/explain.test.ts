/** Why a job is where it is, asked of a real server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../src/contract/explanation.js';
import { act, ended, read, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ['--max-executors', '1'] });
});
afterAll(() => server.stop());

async function explain(id: string): Promise<Explanation> {
  const response = await fetch(`${server.url}/v1/jobs/${id}/explain`);
  expect(response.status).toBe(200);
  return (await response.json()) as Explanation;
}
const codes = ({ reasons }: Explanation): string[] => reasons.map(({ code }) => code);

describe('GET /v1/jobs/{id}/explain', () => {
  it('tells the whole way of a job: running, in the queue behind it, and cancelled', async () => {
    const first = await submit(server.url, 'sleep', { seconds: 600 });
    const running = await eventually(
      () => explain(first.id),
      ({ status }) => status === 'in-progress',
    );
    expect(codes(running)).toEqual(['running']);
    const second = await submit(server.url, 'sleep', { seconds: 600 });
    const third = await submit(server.url, 'sleep', { seconds: 600 });
    expect(codes(await explain(second.id))).toEqual(['slots-busy']);
    const waiting = await explain(third.id);
    expect(codes(waiting)).toEqual(['jobs-ahead', 'slots-busy']);
    expect(waiting.reasons[0]!.message).toContain('1 job of its type');
    for (const { id } of [third, second, first]) await act(server.url, id, 'cancel');
    expect(codes(await explain(third.id))).toEqual(['cancelled']);
  });

  it('tells of a pause and how to end it', async () => {
    await fetch(`${server.url}/v1/queues/echo/pause`, { method: 'POST' });
    const job = await submit(server.url, 'echo', 1);
    const { reasons, next } = await explain(job.id);
    expect(reasons[0]!.code).toBe('paused');
    const [, address] = /POST (\S+)\.$/.exec(next!)!;
    expect((await fetch(server.url + address!, { method: 'POST' })).status).toBe(200);
    expect((await ended(server.url, job.id)).status).toBe('completed');
  });

  it('tells of a backoff, and of each attempt', async () => {
    const retry = { attempts: 3, baseMs: 3_600_000, factor: 1, capMs: 3_600_000 };
    const job = await submit(server.url, 'sleep', { seconds: 0, failTimes: 1 }, { retry });
    await eventually(
      () => read(server.url, job.id),
      ({ status }) => status === 'scheduled',
    );
    const { reasons, attempts, expectedStart } = await explain(job.id);
    expect(reasons[0]).toMatchObject({ code: 'backing-off' });
    expect(expectedStart).toMatchObject({ kind: 'earliest' });
    expect(attempts).toMatchObject([{ attempt: 1, outcome: 'failed', error: { code: 'task-failed' } }]);
    expect(attempts[0]!.durationMs).toBeGreaterThanOrEqual(0);
    expect(attempts[0]!.peakMemory).toBeGreaterThan(0);
  });

  it('tells which key is full', async () => {
    const rest = { concurrencyKey: 'tenant-7', maxConcurrency: 1 };
    const first = await submit(server.url, 'sleep', { seconds: 600 }, rest);
    const second = await submit(server.url, 'sleep', { seconds: 600 }, rest);
    const { reasons } = await explain(second.id);
    expect(reasons[0]!.message).toContain('"tenant-7"');
    expect(reasons[0]!.message).toContain('1 of 1 places are taken');
    for (const { id } of [second, first]) await act(server.url, id, 'cancel');
  });

  it('tells what went wrong and what to do', async () => {
    const job = await submit(server.url, 'sleep', { seconds: 0, failTimes: 1, failWith: 'permanent' });
    await ended(server.url, job.id);
    const { reasons, next } = await explain(job.id);
    expect(reasons[0]!.message).toContain('task-refused');
    expect(next).toContain(`/v1/jobs/${job.id}/redrive`);
  });

  it('knows no job that there is not', async () => {
    const response = await fetch(`${server.url}/v1/jobs/019a0000-0000-7000-8000-000000000000/explain`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'job-not-found' });
  });
});
