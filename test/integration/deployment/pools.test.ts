/** Pools on real servers: workers that serve a part of the types, and have a figure of their own. */
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import type { Worker } from '../../../src/contract/worker.js';
import { act, ended, read, submit } from '../../support/api.js';
import { createDeployment, type TestDeployment } from '../../support/deployment.js';
import { eventually } from '../../support/eventually.js';
import { readExposition, valueOf } from '../../support/exposition.js';
import type { TestProcess } from '../../support/server.js';
import { rabbitVhost, redisDatabase } from '../../support/services.js';
import { userProject, type UserProject } from '../../support/user-project.js';

const [queue, state] = [await rabbitVhost(), await redisDatabase()];

const inlineTask = `
  import { defineTask } from 'dray/task';
  import Type from 'typebox';
  export default defineTask({
    type: 'watch', inline: true, input: Type.Any(), output: Type.Any(), run: () => 'seen',
  });`;
const pools = [
  {
    name: 'naps',
    types: ['sleep'],
    minWorkers: 0,
    maxWorkers: 5,
    slotsPerWorker: 3,
    slo: '2m',
    utilisation: '50%',
  },
  { name: 'watchers', types: ['watch'], minWorkers: 0 },
];

describe.skipIf(!queue || !state)('a deployment with pools', () => {
  let project: UserProject;
  let deployment: TestDeployment;
  let url: string;
  let controller: TestProcess;
  beforeAll(async () => {
    project = userProject();
    const tasks = project.write('watch.mjs', inlineTask);
    const more = { DRAY_POOLS: JSON.stringify(pools), DRAY_TASKS: tasks };
    deployment = await createDeployment({ queue: queue!.url, state: state!.url }, more);
    const [api, first] = await Promise.all([
      deployment.start('api'),
      deployment.start('controller', '--max-workers', '4'),
      deployment.start('worker'),
    ]);
    [url, controller] = [api.url, first];
  });
  afterAll(async () => {
    await deployment.stop();
    project.remove();
  });

  const workers = async () =>
    ((await (await fetch(`${url}/v1/workers`)).json()) as { workers: Worker[] }).workers;
  const figure = async (pool: string): Promise<Record<string, number | string>> =>
    (await (await fetch(`${url}/desired-worker-scale?pool=${pool}`)).json()) as Record<
      string,
      number | string
    >;
  const figures = (pool: string, wanted: Record<string, number>) =>
    eventually(
      () => figure(pool),
      (found) => Object.entries(wanted).every(([name, value]) => found[name] === value),
    );

  it('has a figure for each pool, by the numbers of the pool', async () => {
    await figures('naps', {
      min_workers: 0,
      max_workers: 5,
      slots_per_worker: 3,
      slo: 120,
      utilisation: 0.5,
    });
    await figures('default', { min_workers: 1, max_workers: 4, slots_per_worker: 1, current_workers: 1 });
    expect(await (await fetch(`${url}/desired-worker-scale`)).json()).toMatchObject({ max_workers: 4 });
    const other = await fetch(`${url}/desired-worker-scale?pool=gpu`);
    expect(other.status).toBe(404);
    expect(((await other.json()) as { detail: string }).detail).toContain('default, naps, watchers');
  });

  it('counts for a pool what waits of its types, and nothing else', async () => {
    const { id } = await submit(url, 'sleep', { seconds: 0 });
    await figures('naps', { backlog_jobs: 1, current_workers: 0, desired_worker_scale: 1 });
    await figures('default', { backlog_jobs: 0, desired_worker_scale: 1 });
    for (const from of [url, controller.url]) {
      const metrics = readExposition(await (await fetch(`${from}/metrics`)).text());
      expect(valueOf(metrics, 'dray_desired_workers', { pool: 'naps' })).toBe(1);
      expect(valueOf(metrics, 'dray_desired_workers', { pool: 'watchers' })).toBe(0);
    }
    expect((await read(url, id)).status).toBe('pending'); // the worker of the other pool leaves it alone
    const nap = await deployment.start('worker', '--pool', 'naps');
    expect((await ended(url, id)).worker).toContain(`:${nap.pid}:`);
    const [one] = (await workers()).filter(({ pid }) => pid === nap.pid);
    expect(one).toMatchObject({ pool: 'naps', host: hostname(), types: ['sleep'] });
    await figures('naps', { current_workers: 1, busy_workers: 0, backlog_jobs: 0 });
    await figures('default', { current_workers: 1 });
    await nap.stop();
  });

  it('counts a process once for a pool of inline types, by the slots that serve it', async () => {
    const watcher = await deployment.start('worker', '--pool', 'watchers', '--inline-slots', '7');
    const { id } = await submit(url, 'watch', 1);
    expect(await ended(url, id)).toMatchObject({ status: 'completed', result: 'seen' });
    await figures('watchers', { current_workers: 1, slots_per_worker: 7 });
    await watcher.stop();
    await figures('watchers', { current_workers: 0 });
  });

  it.each([
    [
      ['worker', '--pool', 'gpu'],
      /--pool \(DRAY_POOL\): there is no pool "gpu"; by --pools there are default, naps/,
    ],
    [['worker', '--types', 'sleep'], /--types \(DRAY_TYPES\): "sleep" does not belong to .* pool "default"/],
    [
      ['controller', '--pools', '[{"name":"gpu","types":["score"]}]'],
      /pool "gpu", "types": no task runs jobs of type "score"; this process knows matmul/,
    ],
    [
      ['controller', '--pools', '[{"name":"gpu","types":["echo"],"slo":"soon"}]'],
      /pool "gpu", "slo": "soon" is not/,
    ],
  ] as const)('does not start where pools and processes do not fit: %j', async ([mode, ...args], message) => {
    await expect(deployment.start(mode, ...args)).rejects.toThrow(message);
  });

  it('hands back uncounted what a stopping worker does not end in its grace, and ends the rest', async () => {
    const graceMs = 8_000;
    const options = ['--pool', 'naps', '--slots-per-worker', '2', '--drain-grace', `${graceMs}ms`];
    const nap = await deployment.start('worker', ...options);
    const long = await submit(url, 'sleep', { seconds: 600 });
    const begun = (id: string) =>
      eventually(
        () => read(url, id),
        ({ progress }) => progress !== undefined,
      );
    await begun(long.id);
    const short = await submit(url, 'sleep', { seconds: 1 });
    await begun(short.id);
    const before = systemClock.monotonic();
    process.kill(nap.pid, 'SIGTERM');
    // It still has its jobs, and yet it is none that the pool may count on.
    const draining = async () => (await workers()).find(({ pid }) => pid === nap.pid);
    expect(await eventually(draining, (found) => found?.stopping === true)).toMatchObject({ slots: 2 });
    await figures('naps', { current_workers: 0, busy_workers: 0 });
    expect(await draining()).toMatchObject({ stopping: true });
    expect(await nap.exited, nap.output()).toBe(0);
    // Neither the default of 30 s nor the job's own time: what closing takes is a few seconds on a busy machine.
    expect(systemClock.monotonic() - before).toBeLessThan(graceMs + 15_000);
    expect(await read(url, short.id)).toMatchObject({ status: 'completed', attempt: 1 });
    const left = await read(url, long.id);
    expect(left).toMatchObject({ status: 'pending', attempt: 0 });
    expect(left.attempts.map(({ outcome }) => outcome)).toEqual(['released']);
    await act(url, long.id, 'cancel');
  });
});
