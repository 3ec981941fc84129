/** Several of everything: two APIs, two controllers and two workers of one slot each, on real servers. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { act, ended, read, submit, type Job } from '../../support/api.js';
import { createDeployment, type TestDeployment } from '../../support/deployment.js';
import { eventually } from '../../support/eventually.js';
import { readExposition, valueOf } from '../../support/exposition.js';
import type { TestProcess } from '../../support/server.js';
import { rabbitVhost, redisDatabase } from '../../support/services.js';
import { root } from '../../support/sources.js';

const [queue, state] = [await rabbitVhost(), await redisDatabase()];

describe.skipIf(!queue || !state)('a deployment', () => {
  let deployment: TestDeployment;
  let apis: [TestProcess, TestProcess];
  let controllers: TestProcess[];
  let workers: TestProcess[];
  /** Of the first and of the second API. */
  let one: string;
  let other: string;

  beforeAll(async () => {
    deployment = await createDeployment({ queue: queue!.url, state: state!.url });
    const [first, second, ...rest] = await Promise.all([
      deployment.start('api'),
      deployment.start('api', '--max-waiting', '20000'),
      deployment.start('controller'),
      deployment.start('controller'),
      deployment.start('worker'),
      deployment.start('worker'),
    ]);
    apis = [first, second];
    controllers = rest.slice(0, 2);
    workers = rest.slice(2);
    [one, other] = [first.url, second.url];
    await eventually(
      () => listed(one),
      (all) => all.length === 2,
    );
  });
  afterAll(() => deployment.stop());

  const listed = async (url: string) => {
    const { workers: all } = (await (await fetch(`${url}/v1/workers`)).json()) as {
      workers: { id: string; pid: number; slots: number }[];
    };
    return all;
  };
  const tell = async (url: string, path: string): Promise<void> => {
    const response = await fetch(`${url}${path}`, { method: 'POST' });
    expect(response.status, await response.text()).toBe(200);
  };
  const metrics = async (url: string) => readExposition(await (await fetch(`${url}/metrics`)).text());
  const leaderOf = async (url: string): Promise<string | undefined> =>
    (await metrics(url)).get('dray_cluster_leader')?.samples[0]?.labels['controller'];

  it('shows at one API what was submitted at the other, and the workers of all processes', async () => {
    const { id } = await submit(one, 'echo', { a: 1 });
    expect(await ended(other, id)).toMatchObject({ status: 'completed', result: { a: 1 } });
    for (const url of [one, other]) {
      expect((await listed(url)).map(({ pid }) => pid).sort()).toEqual(workers.map(({ pid }) => pid).sort());
    }
  });

  it('multiplies matrices whose blobs an API took and a worker wrote', async () => {
    const size = { rows: 200, cols: 200 };
    const input = { a: { random: { ...size, seed: 1 } }, b: { random: { ...size, seed: 2 } } };
    const { id } = await submit(one, 'matmul', input);
    await ended(one, id);
    const result = await fetch(`${other}/v1/jobs/${id}/result`);
    expect(result.headers.get('content-type')).toBe('application/x-npy');
    expect((await result.arrayBuffer()).byteLength).toBe(200 * 200 * 8 + 128);
  });

  it('has one scaling figure, whichever API is asked', async () => {
    const figure = async (url: string): Promise<object> => {
      const response = await fetch(`${url}/desired-worker-scale`);
      return (await response.json()) as object;
    };
    const wanted = { current_workers: 2, slots_per_worker: 1, min_workers: 1, max_workers: 10 };
    for (const url of [one, other]) {
      await eventually(
        () => figure(url),
        (found) => Object.entries(wanted).every(([name, value]) => found[name as keyof object] === value),
      );
    }
    expect(valueOf(await metrics(one), 'dray_slots')).toBe(2);
  });

  it('releases a delayed job when it is due', async () => {
    const { id, status } = await submit(one, 'echo', 1, { delayMs: 500 });
    expect(status).toBe('scheduled');
    const { createdAt, startedAt } = await ended(other, id);
    expect(Date.parse(startedAt!) - Date.parse(createdAt)).toBeGreaterThanOrEqual(500);
  });

  it('pauses a type at all workers, whichever API was told', async () => {
    await tell(one, '/v1/queues/sleep/pause');
    const { id } = await submit(other, 'sleep', { seconds: 0 });
    const { id: later } = await submit(other, 'echo', 1);
    await ended(one, later);
    expect((await read(one, id)).status).toBe('pending');
    await tell(other, '/v1/queues/sleep/resume');
    expect(await ended(one, id)).toMatchObject({ status: 'completed' });
  });

  it('hands out urgent jobs before others, to all workers', async () => {
    await tell(one, '/v1/queues/sleep/pause');
    const jobs = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        submit(
          index % 4 < 2 ? one : other,
          'sleep',
          { seconds: 0 },
          { priority: index % 2 ? 'low' : 'high' },
        ),
      ),
    );
    await tell(one, '/v1/queues/sleep/resume');
    const done = await Promise.all(jobs.map(({ id }) => ended(one, id)));
    const order = done.sort((a, b) => Date.parse(a.startedAt!) - Date.parse(b.startedAt!));
    const rank = (priority: string): number =>
      order.reduce((sum, job, index) => sum + (job.priority === priority ? index : 0), 0);
    expect(rank('high')).toBeLessThan(rank('low'));
  });

  it('runs the jobs of one key one by one, though there are two workers', async () => {
    const rest = { concurrencyKey: 'tenant', maxConcurrency: 1 };
    const jobs = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        submit(index % 2 ? one : other, 'sleep', { seconds: 0.1 }, rest),
      ),
    );
    const done = await Promise.all(jobs.map(({ id }) => ended(one, id)));
    const runs = done
      .map(({ startedAt, finishedAt }) => [Date.parse(startedAt!), Date.parse(finishedAt!)] as const)
      .sort(([a], [b]) => a - b);
    for (const [index, [start]] of runs.entries()) {
      if (index > 0) expect(start).toBeGreaterThanOrEqual(runs[index - 1]![1]);
    }
  });

  it('does not let 10,000 jobs of one tenant hold back another one’s', async () => {
    const job = { type: 'sleep', input: { seconds: 600 }, concurrencyKey: 'many', maxConcurrency: 1 };
    for (let batch = 0; batch < 10; batch++) {
      const response = await fetch(`${batch % 2 ? one : other}/v1/jobs/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jobs: Array.from({ length: 1_000 }, () => job) }),
      });
      expect(response.status, await response.text()).toBe(202);
    }
    const rest = { concurrencyKey: 'few', maxConcurrency: 1 };
    const { id } = await submit(one, 'sleep', { seconds: 0 }, rest);
    expect(await ended(other, id)).toMatchObject({ status: 'completed' });
    const [sleep] = await queues();
    expect(sleep).toMatchObject({ jobs: { 'in-progress': 1 }, held: 9_999 });
    await fetch(`${one}/v1/jobs/cancel`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"type":"sleep"}',
    });
    await eventually(
      async () => (await queues())[0]!.jobs,
      (jobs) => jobs.pending + jobs['in-progress'] === 0,
    );
  });

  const queues = async () => {
    const found = (await (await fetch(`${one}/v1/queues`)).json()) as {
      queues: { type: string; held: number; jobs: Record<Job['status'], number> }[];
    };
    return found.queues.filter(({ type }) => type === 'sleep');
  };

  it('holds the bound of what may wait, over what came through other APIs', async () => {
    const strict = await deployment.start('api', '--max-waiting', '3');
    await tell(one, '/v1/queues/sleep/pause');
    const jobs = await Promise.all([1, 2, 3].map(() => submit(other, 'sleep', { seconds: 0 })));
    const refused = await eventually(
      () =>
        fetch(`${strict.url}/v1/jobs`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"type":"sleep","input":{"seconds":0}}',
        }),
      ({ status }) => status === 429,
    );
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    await tell(one, '/v1/queues/sleep/resume');
    for (const { id } of jobs) await ended(one, id);
    await strict.stop();
  });

  it('notes the end of a start/end job where its clients look', async () => {
    const address = new URL(state!.url);
    const redis = async (...command: readonly string[]): Promise<string[]> => {
      const login = address.password ? ['-a', address.password, '--no-auth-warning'] : [];
      const server = ['-h', address.hostname, '-p', address.port, ...login, '-n', '3'];
      return (await promisify(execFile)('redis-cli', [...server, ...command])).stdout.trim().split('\n');
    };
    const response = await fetch(`${one}/jobs`, { method: 'POST', body: '{"start":"go!","end":"stop!"}' });
    const { id } = (await response.json()) as { id: string };
    const shown = await ended(other, id);
    const { worker } = shown.result as { worker: string };
    const lines = await eventually(
      () => redis('HGETALL', `job.${id}`),
      (found) => found.length > 1,
    );
    const entry = Object.fromEntries(lines.flatMap((name, i) => (i % 2 ? [] : [[name, lines[i + 1]]])));
    expect(entry).toEqual({ status: 'complete', start: 'go!', end: 'stop!', id, worker });
    expect(await redis('KEYS', 'job.*')).toContain(`job.${id}`);
    expect(Number(await redis('TTL', `job.${id}`))).toBeGreaterThan(6 * 24 * 3_600);
    await redis('DEL', `job.${id}`);
  });

  it('says of each process whether it is healthy, and nothing else', async () => {
    for (const { url } of [...controllers, ...workers, ...apis]) {
      for (const path of ['/healthz', '/readyz']) {
        const response = await fetch(`${url}${path}`);
        expect(await response.json(), `${url}${path}`).toEqual({ status: 'ok' });
      }
    }
    for (const { url } of [...controllers, ...workers]) {
      expect((await fetch(`${url}/v1/jobs`)).status).toBe(404);
      expect((await fetch(`${url}/healthz`, { method: 'POST' })).status).toBe(404);
    }
  });

  it('tells in /metrics of each process what docs/metrics.md lists', async () => {
    const page = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(dray_cluster_\w+)` +\| (\w+) /gm)].map(
      ([, name, type]) => `${name!} ${type!}`,
    );
    for (const { url } of [apis[0], controllers[0]!]) {
      const found = [...(await metrics(url))].map(([name, { type }]) => `${name} ${type}`);
      expect(found.filter((each) => each.startsWith('dray_cluster_')).sort()).toEqual(rows.sort());
      expect(found).toContain('dray_queue_depth gauge');
    }
    const ofWorkers = await Promise.all(workers.map(({ url }) => metrics(url)));
    const echoed = ofWorkers.map(
      (found) =>
        valueOf(found, 'dray_attempt_duration_seconds_count', { type: 'echo', outcome: 'completed' }) ?? 0,
    );
    expect(echoed.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
    for (const found of ofWorkers) expect(found.has('dray_queue_depth')).toBe(false);
  });

  it('goes on under another controller where the one that leads is killed', async () => {
    const holder = await eventually(
      () => leaderOf(one),
      (found) => found !== undefined,
    );
    const leading = controllers.find(({ pid }) => holder?.includes(`:${pid}:`))!;
    await leading.kill();
    const { id } = await submit(one, 'echo', 1, { delayMs: 100 });
    expect(await ended(other, id)).toMatchObject({ status: 'completed' });
    await eventually(
      () => leaderOf(other),
      (found) => found !== undefined && found !== holder,
    );
  });

  it('runs again what a killed worker had, and forgets the worker', async () => {
    const { id } = await submit(one, 'sleep', { seconds: 3 }, { retry: { baseMs: 1 } });
    const { worker } = await eventually(
      () => read(one, id),
      // One that was leased ahead and has not begun is not counted.
      ({ status, startedAt }) => status === 'in-progress' && startedAt !== undefined,
    );
    const killed = workers.find(({ pid }) => worker?.includes(`:${pid}:`))!;
    await killed.kill();
    const done = await ended(other, id);
    expect(done).toMatchObject({ status: 'completed', attempt: 2 });
    expect(done.worker).not.toBe(worker);
    await eventually(
      () => listed(one),
      (all) => all.length === 1,
    );
  });

  it('knows at once of a worker that starts, and of one that stops', async () => {
    const worker = await deployment.start('worker', '--types', 'echo');
    expect((await listed(one)).find(({ pid }) => pid === worker.pid)).toMatchObject({ slots: 1 });
    await worker.stop();
    expect(await worker.exited).toBe(0);
    expect((await listed(one)).map(({ pid }) => pid)).not.toContain(worker.pid);
  });

  it('cancels at a worker what an API was told to cancel', async () => {
    const { id } = await submit(one, 'sleep', { seconds: 600 });
    await eventually(
      () => read(one, id),
      ({ status }) => status === 'in-progress',
    );
    expect((await act(other, id, 'cancel')).status).toBe(200);
    expect(await ended(one, id)).toMatchObject({ status: 'cancelled' });
    const { id: next } = await submit(one, 'sleep', { seconds: 0 });
    await ended(one, next);
  });
});
