/** What the runtime makes of clusters that do not go well. */
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.js';
import type { ContainerRuntime, ContainerSpec, ContainerState } from '../../src/tasks/container/runtime.js';
import { eventually } from '../support/eventually.js';
import { image, noCluster, rootImage, testNamespace, type TestNamespace } from './cluster.js';
import { cutLine, type CutLine } from './cut-line.js';

const owner = systemClock.token().slice(0, 16);
const restartApi = process.env['DRAY_TEST_RESTART_API'];
const numbers = (count: number): string => Array.from({ length: count }, (_, index) => `${index}\n`).join('');
const printing = (count: number, pause: string): string =>
  `i=0; while [ $i -lt ${count} ]; do echo $i; i=$((i+1)); sleep ${pause}; done`;

describe.skipIf(noCluster)('on a cluster where things break', () => {
  let space: TestNamespace;
  let line: CutLine;
  let direct: ContainerRuntime;
  let runtime: ContainerRuntime;
  const signal = AbortSignal.timeout(2 ** 31 - 1);

  beforeAll(async () => {
    space = await testNamespace();
    direct = await space.open(owner);
    line = await cutLine();
    runtime = await space.open(owner);
  });
  afterEach(() => line.open());
  afterAll(async () => {
    await runtime.close();
    await direct.close();
    await line.end();
    await space.cleanup();
  });

  function spec(script: string, given: Partial<ContainerSpec> = {}): ContainerSpec {
    const resources = { cpus: 0.1, memory: 64 * 1024 * 1024 };
    const env = { SCRIPT: script };
    return { jobId: systemClock.id(), name: 'fault', image, env, timeoutMs: 150_000, ...resources, ...given };
  }

  async function run(script: string, given: Partial<ContainerSpec> = {}) {
    const asked = spec(script, given);
    const { jobId } = asked;
    const states: { state: ContainerState; message?: string }[] = [];
    await runtime.start(asked);
    const end = runtime.wait({
      jobId,
      signal,
      onState: (state, message) => states.push({ state, ...(message !== undefined && { message }) }),
    });
    const running = eventually(
      () => states,
      (seen) => seen.some(({ state }) => state === 'running'),
    );
    return { spec: asked, jobId, states, end, running };
  }

  async function printed(jobId: string): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of runtime.logs({ jobId, signal })) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  test('loses and doubles nothing of a log whose connection is cut again and again', async () => {
    const { jobId, end } = await run(printing(1_000, '0.01'));
    const log = printed(jobId);
    const over = new AbortController();
    void end.finally(() => over.abort());
    while (!over.signal.aborted) {
      await systemClock.sleep(700);
      line.cut();
    }
    expect(await log).toBe(numbers(1_000));
    expect(await end).toMatchObject({ reason: 'exited', exitCode: 0 });
    await direct.remove({ jobId });
  });

  test('tells the end of a container that ended while the API server was away', async () => {
    const { jobId, end, running, states } = await run(`${printing(10, '1')}; exit 9`);
    const log = printed(jobId);
    await running;
    line.close();
    const before = line.opened;
    await eventually(
      () => direct.list(),
      (all) => all.some((one) => one.jobId === jobId && !one.running),
    );
    await eventually(
      () => states,
      (all) => all.some(({ state, message }) => state === 'running' && message?.includes('answer') === true),
    );
    expect(line.opened).toBeGreaterThan(before);
    line.open();
    expect(await end).toMatchObject({ reason: 'exited', exitCode: 9 });
    expect(await log).toBe(numbers(10));
    await direct.remove({ jobId });
  });

  test('notices connections that have died without a word', async () => {
    const { jobId, end, running } = await run(`${printing(5, '1')}; exit 3`);
    const log = printed(jobId);
    await running;
    line.freeze();
    expect(await end).toMatchObject({ reason: 'exited', exitCode: 3 });
    expect(await log).toBe(numbers(5));
    await direct.remove({ jobId });
  });

  test.skipIf(restartApi === undefined)('survives a restart of the API server', async () => {
    const { jobId, end, running } = await run(`${printing(20, '1')}; exit 4`);
    const log = printed(jobId);
    await running;
    execFileSync('sh', ['-c', restartApi!], { stdio: 'inherit' });
    expect(await end).toMatchObject({ reason: 'exited', exitCode: 4 });
    expect(await log).toBe(numbers(20));
    await direct.remove({ jobId });
  });

  test('says lost of a container whose node is drained, and starts anew', async () => {
    const { spec: asked, jobId, end, running } = await run("trap 'exit 0' TERM; sleep 3600 & wait");
    await running;
    const [pod] = await space.pods(jobId);
    const { name } = pod!.metadata;
    await space.api.create(`${space.api.pods(name)}/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name },
    });
    expect(await end).toMatchObject({ reason: 'lost' });
    await runtime.remove({ jobId });
    expect(await runtime.start(asked)).toMatchObject({ adopted: false });
    await direct.remove({ jobId });
  });

  test('starts anew what was cleared away in the absence of its worker', async () => {
    const { spec: asked, jobId, end } = await run('exit 0');
    await end;
    const { name } = await runtime.start(asked);
    await space.api.patch(space.api.jobs(name), { spec: { ttlSecondsAfterFinished: 0 } });
    await eventually(
      () => direct.list(),
      (all) => all.every((one) => one.jobId !== jobId),
    );
    expect(await runtime.start(asked)).toEqual({ name, adopted: false });
    await direct.remove({ jobId });
  });

  test('tells why a container waits that no node has room for', async () => {
    const { jobId, states } = await run('exit 0', { cpus: 5_000 });
    const told = await eventually(
      () => states,
      (seen) => seen.some(({ message }) => message?.includes('cpu')),
    );
    expect(told.map(({ state }) => state)).not.toContain('running');
    await direct.remove({ jobId });
  });

  test('names the command that tells why a container gets no pod', async () => {
    const quota = `/api/v1/namespaces/${space.name}/resourcequotas`;
    await space.api.create(quota, { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } });
    await eventually(
      () => space.api.get<{ status?: { hard?: object } }>(`${quota}/none`),
      ({ status }) => status?.hard !== undefined,
    );
    const { jobId, states } = await run('exit 0');
    await eventually(
      () => states,
      (seen) => seen.some(({ message }) => message?.includes(`kubectl describe job fault-${jobId}`)),
    );
    await space.api.delete(`${quota}/none`, {});
    await direct.remove({ jobId });
  });

  test('gives containers the variables of a Secret, behind their own', async () => {
    await space.api.create(`/api/v1/namespaces/${space.name}/secrets`, {
      metadata: { name: 'buckets' },
      stringData: { ACCESS_KEY: 'of the secret', BOTH: 'of the secret' },
    });
    const secretive = await space.open(owner, { secret: 'buckets' });
    const asked = spec('echo "$ACCESS_KEY, $BOTH"', {});
    await secretive.start({ ...asked, env: { ...asked.env, BOTH: 'of the job' } });
    expect(await printed(asked.jobId)).toBe('of the secret, of the job\n');
    await secretive.remove({ jobId: asked.jobId });
    await secretive.close();
  });

  test.skipIf(rootImage === undefined)('refuses an image of root, unless that is allowed', async () => {
    const { jobId, end } = await run('id -u', { image: rootImage! });
    expect(await end).toMatchObject({ reason: 'image', message: expect.stringContaining('root') as string });
    await direct.remove({ jobId });
    const other = await testNamespace('baseline');
    const lenient = await other.open(owner, { root: true });
    const asked = spec('id -u', { image: rootImage! });
    await lenient.start(asked);
    const allowed = lenient.wait({ jobId: asked.jobId, signal, onState: () => undefined });
    expect(await allowed).toMatchObject({ reason: 'exited', exitCode: 0 });
    await lenient.close();
    await other.cleanup();
  });
});
