/** A release as NOTES.txt leaves it: its own test, and the literal calls of each family of clients through its Service. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { curl } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { main } from '../support/server.js';
import { noChart, run } from './programs.js';
import { installRelease, type Release } from './release.js';

describe.skipIf(noChart !== undefined)('a release', () => {
  let release: Release;

  beforeAll(async () => {
    release = await installRelease({ values: { options: { openDoors: true } } });
  });
  afterAll(() => release.cleanup());

  /** The door's view of a job, once it has ended. */
  const over = (path: string, status: string) =>
    eventually(
      async () => (await curl(`${release.url}${path}`)).json() as Record<string, unknown>,
      (job) => job['status'] === status,
    );

  test('passes its own test', async () => {
    expect(await release.helm('test', release.name, '--logs')).toMatch(/Phase:\s+Succeeded/);
  });

  test('answers clients of matrix service A', async () => {
    const submitted = await curl('-X', 'POST', `${release.url}/matrix-multiplication/submit-job/`);
    expect(submitted.status).toBe(202);
    const { id } = submitted.json() as { id: string };
    expect(await release.client().wait(id)).toMatchObject({ type: 'matmul', status: 'completed' });
    const scale = await curl(`${release.url}/desired-worker-scale`);
    expect(scale.json()).toMatchObject({ desired_worker_scale: 1, current_workers: 1 });
  });

  test('answers clients of matrix service B', async () => {
    const submitted = await curl(
      ...['-X', 'POST', `${release.url}/matrix_multiplication/`, '-H', 'Content-Type: application/json'],
      ...['-d', '{\n"A": [[1, 2], [3, 4]],\n"B": [[5, 6], [7, 8]]\n}'],
    );
    expect(submitted.status).toBe(202);
    const { url } = submitted.json() as { url: string };
    expect((await over(url, 'completed'))['result']).toEqual([
      [19, 22],
      [43, 50],
    ]);
  });

  test('answers clients of the start/end jobs, who read the end in Redis', async () => {
    const submitted = await curl(
      ...['-X', 'POST', '-H', 'content-type: application/json', '-d', '{"start": "go!", "end": "stop!"}'],
      `${release.url}/jobs`,
    );
    const { id, ...rest } = submitted.json() as { id: string };
    expect(rest).toEqual({ status: 'submitted', start: 'go!', end: 'stop!' });
    const [pod] = await release.pods('worker');
    const hash = await eventually(
      () => hashOf(release, `job.${id}`),
      ({ status }) => status !== undefined,
    );
    expect(hash).toEqual({
      ...{ id, status: 'complete', start: 'go!', end: 'stop!' },
      worker: pod!.status.podIP,
    });
  });

  test('answers clients of Celsiusify', async () => {
    const answer = await curl(`${release.url}/convert/?fahrenheit=451.0`);
    expect(answer.json()).toEqual({
      celsius: '232.777778',
      app_identifier: expect.stringMatching(/^(\w{8}-){3}\w{8}$/) as string,
    });
  });

  test('asks everybody else for a key, and takes jobs from the command line with it', async () => {
    expect((await curl(`${release.url}/v1/jobs`)).status).toBe(401);
    const command = [main, 'submit', 'matmul', '--input', '{"a":[[2]],"b":[[21]]}', '--json'];
    const env = { DRAY_SERVER: release.url, DRAY_API_KEY: release.key };
    expect(JSON.parse(await run(process.execPath, command, { env }))).toMatchObject({
      ...{ status: 'completed', result: { product: [[42]] } },
    });
  });
});

/** Asked in its own pod, which knows the password, and which the network policies let call nobody else. */
async function hashOf(release: Release, key: string): Promise<Record<string, string>> {
  const asked = ['redis-cli', '-n', '3', 'HGETALL', key];
  const lines = (await release.exec('redis', asked)).trim().split('\n');
  return Object.fromEntries(
    lines.flatMap((line, index) => (index % 2 === 0 ? [[line, lines[index + 1] ?? '']] : [])),
  );
}
