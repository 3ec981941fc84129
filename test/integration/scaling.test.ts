/** Executors that follow the queue, in a real server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ['--min-executors', '1', '--max-executors', '4'] });
}, 60_000);
afterAll(() => server.stop(), 60_000);

const executors = async (): Promise<{ pid: number; job?: string }[]> => {
  const { workers } = (await (await fetch(`${server.url}/v1/workers`)).json()) as {
    workers: { executors: { pid: number; job?: string }[] }[];
  };
  return workers.flatMap((worker) => worker.executors);
};
const scale = async (): Promise<Record<string, number>> =>
  (await (await fetch(`${server.url}/desired-worker-scale`)).json()) as Record<string, number>;

describe('the scaling figure', () => {
  it('is flat and numeric, the figure first', async () => {
    const known = await eventually(scale, (answer) => 'desired_worker_scale' in answer);
    expect(Object.keys(known)[0]).toBe('desired_worker_scale');
    expect(Object.values(known).every((value) => Number.isFinite(value))).toBe(true);
    expect(known).toMatchObject({ min_workers: 1, max_workers: 4, slots_per_worker: 1, utilisation: 0.8 });
  });

  it('is had for the one pool that there is, and for no other', async () => {
    for (const slash of ['', '/']) {
      expect((await fetch(`${server.url}/desired-worker-scale${slash}?pool=default`)).status).toBe(200);
    }
    const other = await fetch(`${server.url}/desired-worker-scale?pool=gpu`);
    expect(other.status).toBe(404);
    expect(await other.json()).toMatchObject({ code: 'pool-not-found', field: 'query.pool' });
  });

  it('is obeyed: executors come with a burst, none is stopped while it works, and they go again', async () => {
    const jobs = await Promise.all(
      Array.from({ length: 12 }, () => submit(server.url, 'sleep', { seconds: 1 })),
    );
    await eventually(executors, (running) => running.filter(({ job }) => job !== undefined).length === 4);
    expect(await scale()).toMatchObject({ desired_worker_scale: 4 });
    for (const { id } of jobs) {
      expect(await ended(server.url, id)).toMatchObject({ status: 'completed', attempt: 1 });
    }
    await eventually(scale, (answer) => answer['backlog_jobs'] === 0 && answer['busy_workers'] === 0);
    await eventually(executors, (running) => running.length === 1);
    await eventually(
      scale,
      (answer) => answer['current_workers'] === 1 && answer['desired_worker_scale'] === 1,
    );
  }, 120_000);
});
