/** Servers that are away, come back, refuse us, or are set up wrongly: what processes say, and what the doctor says. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../../../scripts/services/installation.mjs';
import { startRabbit } from '../../../scripts/services/rabbitmq.mjs';
import { startRedis } from '../../../scripts/services/redis.mjs';
import type { Finding } from '../../../src/jobs/diagnosis.js';
import { ended, submit } from '../../support/api.js';
import { createDeployment, type TestDeployment } from '../../support/deployment.js';
import { eventually } from '../../support/eventually.js';
import { main, startProcess } from '../../support/server.js';
import { rabbitVhost } from '../../support/services.js';

const vhost = await rabbitVhost();
const post = (url: string) =>
  fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"type":"echo","input":1}',
  });

const without = missing().some(({ program }) => program !== 'minio');

describe.skipIf(!vhost || without)('servers of a deployment', () => {
  let folder: string;
  let redis: Awaited<ReturnType<typeof startRedis>>;
  let deployment: TestDeployment;
  const password = 'secret-of-redis';
  const startState = (port?: number) =>
    startRedis({ folder: join(folder, 'redis'), password, ...(port !== undefined && { port }) });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-servers-'));
    redis = await startState();
    deployment = await createDeployment({ queue: vhost!.url, state: redis.url });
  });
  afterAll(async () => {
    await deployment.stop();
    await redis.stop();
    await rm(folder, { recursive: true });
  });

  const doctor = (env: Readonly<Record<string, string>> = {}, ...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'doctor', '--json', ...args], {
      encoding: 'utf8',
      timeout: 50_000,
      env: { ...process.env, ...deployment.env, ...env },
    });
    const { findings = [] } = JSON.parse(stdout || '{}') as { findings?: Finding[] };
    return { status, stdout, stderr, of: (check: string) => findings.find((one) => one.check === check) };
  };
  const withOther = (address: string, change: (url: URL) => void): string => {
    const url = new URL(address);
    change(url);
    return url.href;
  };

  it('say through the doctor what is missing, and then that all is well', async () => {
    const bare = doctor();
    expect(bare.of('redis')?.detail).toMatch(/^version 7\.\d+\.\d+ at redis:\/\/:\*\*\*@127/);
    expect(bare.of('rabbitmq')).toMatchObject({ state: 'ok' });
    expect(bare.of('blobs')).toMatchObject({ state: 'ok' });
    expect(bare.of('redis durability')).toMatchObject({ state: 'ok' });
    expect(bare.of('leader')).toMatchObject({ state: 'wrong', advice: 'Start one: dray controller.' });
    expect(bare.of('workers')).toMatchObject({ state: 'wrong', advice: 'Start one: dray worker.' });
    expect(bare.status).toBe(1);
    await deployment.start('controller', '--min-workers', '0');
    await eventually(
      () => doctor().of('workers'),
      (found) => found?.state === 'ok' && found.detail === 'none, and none is wanted',
    );
    const api = await deployment.start('api');
    await submit(api.url, 'echo', 1);
    expect(doctor().of('queues')).toMatchObject({
      state: 'wrong',
      detail: 'jobs wait that no worker serves: 1 of "echo"',
    });
    await deployment.start('worker');
    const whole = await eventually(
      () => doctor(),
      ({ status, of }) => status === 0 && of('workers')?.detail === '1, with 0 of 1 slots busy',
    );
    expect(whole.of('leader')?.state).toBe('ok');
    expect(whole.stdout + whole.stderr).not.toContain(password);
  });

  it('hold every promise, which the doctor looks for in Redis', () => {
    const { status, stdout } = doctor({}, '--invariants');
    expect(JSON.parse(stdout)).toMatchObject({ jobs: 1, completions: 1, violations: [] });
    expect(status).toBe(0);
  });

  it('are named by the doctor where they refuse us, with what to do and without the password', () => {
    const queue = withOther(vhost!.url, (url) => (url.password = 'not-the-one'));
    const found = doctor({
      DRAY_QUEUE: queue,
      DRAY_STATE: withOther(redis.url, (url) => (url.password = 'not-the-one')),
      DRAY_BLOBS: 'file:///dev/null/folder',
    });
    expect(found.of('redis')).toMatchObject({
      state: 'wrong',
      advice: 'Check user, password and database in --state.',
    });
    expect(found.of('rabbitmq')).toMatchObject({
      state: 'wrong',
      advice: 'Check user and password in --queue.',
    });
    expect(found.of('blobs')).toMatchObject({ state: 'wrong' });
    expect(found.stdout + found.stderr).not.toContain('not-the-one');
    const nobody = doctor({ DRAY_STATE: 'redis://127.0.0.1:9' });
    expect(nobody.of('redis')?.advice).toContain('Start it');
  });

  it('are judged by their settings', async () => {
    const careless = await startRedis({
      folder: join(folder, 'careless'),
      appendfsync: 'everysec',
      config: { 'maxmemory-policy': 'allkeys-lru' },
    });
    const found = doctor({ DRAY_STATE: careless.url });
    expect(found.of('redis durability')).toMatchObject({
      state: 'warning',
      advice: 'Set appendfsync always.',
    });
    expect(found.of('redis memory')).toMatchObject({
      state: 'wrong',
      advice: 'Set maxmemory-policy noeviction.',
    });
    await careless.stop();
  });

  it('keep a process from starting where they refuse it, in clear words', async () => {
    const start = (mode: string, env: Readonly<Record<string, string>>) =>
      startProcess({ args: [mode], env: { ...deployment.env, ...env } });
    const state = withOther(redis.url, (url) => (url.password = 'not-the-one'));
    const refused = await start('api', { DRAY_STATE: state }).catch((error: unknown) => String(error));
    expect(refused).toContain('Check user, password and database');
    expect(refused).not.toContain('not-the-one');
    const queue = withOther(vhost!.url, (url) => (url.pathname = '/no-such-vhost'));
    await expect(start('worker', { DRAY_QUEUE: queue })).rejects.toThrow(/no-such-vhost/);
  });

  it('make an API answer 503 while Redis is away, also at its start, and serve again afterwards', async () => {
    const api = await deployment.start('api');
    await redis.kill();
    const refused = await post(api.url);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    const late = await deployment.start('api');
    expect(late.output()).toContain('Redis is away');
    for (const path of ['/readyz', '/v1/queues', '/v1/workers', '/desired-worker-scale']) {
      expect((await fetch(`${late.url}${path}`)).status, path).toBe(503);
    }
    expect((await fetch(`${late.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${late.url}/metrics`)).status).toBe(200);

    redis = await startState(redis.port);
    for (const { url } of [api, late]) {
      const accepted = await eventually(
        () => post(url),
        ({ status }) => status === 202,
      );
      const { id } = (await accepted.json()) as { id: string };
      expect(await ended(url, id)).toMatchObject({ status: 'completed' });
    }
    // Of what was refused nothing is left: two jobs were accepted since, and one before.
    const { queues } = (await (await fetch(`${api.url}/v1/queues`)).json()) as {
      queues: { type: string; jobs: { completed: number } }[];
    };
    expect(queues.find(({ type }) => type === 'echo')?.jobs.completed).toBe(3);
  });
});

describe.skipIf(without)('a RabbitMQ that is away', () => {
  it('delays jobs, which are accepted all the same', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dray-rabbit-'));
    const redis = await startRedis({ folder: join(folder, 'redis') });
    let rabbit = await startRabbit({ folder: join(folder, 'rabbit') });
    const { port } = rabbit;
    const deployment = await createDeployment({ queue: rabbit.url, state: redis.url });
    try {
      const [api] = await Promise.all([
        deployment.start('api'),
        deployment.start('controller'),
        deployment.start('worker'),
      ]);
      await ended(api.url, (await submit(api.url, 'echo', 1)).id);
      // RabbitMQ 3.10 may lose a quorum queue that it has made less than a second before it is killed.
      await ended(api.url, (await submit(api.url, 'sleep', { seconds: 2 })).id);
      await rabbit.kill();
      const late = await deployment.start('api');
      const ids: string[] = [];
      for (const { url } of [api, late]) {
        const accepted = await post(url);
        expect(accepted.status).toBe(202);
        ids.push(((await accepted.json()) as { id: string }).id);
      }
      rabbit = await startRabbit({ folder: join(folder, 'rabbit'), port });
      for (const id of ids) expect(await ended(api.url, id)).toMatchObject({ status: 'completed' });
    } finally {
      await deployment.stop();
      await rabbit.stop();
      await redis.stop();
      await rm(folder, { recursive: true });
    }
  }, 120_000);
});

describe.skipIf(without)('the doctor, asked what a start needs,', () => {
  let folder: string;
  let redis: Awaited<ReturnType<typeof startRedis>>;
  let rabbit: Awaited<ReturnType<typeof startRabbit>>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-doctor-'));
    redis = await startRedis({ folder: join(folder, 'redis') });
    rabbit = await startRabbit({ folder: join(folder, 'rabbit') });
  }, 60_000);
  afterAll(async () => {
    await rabbit.stop();
    await redis.stop();
    await rm(folder, { recursive: true });
  });

  const ask = (args: readonly string[], given: Readonly<Record<string, string>> = {}) => {
    const blobs = pathToFileURL(join(folder, 'blobs')).href;
    const { status, stdout } = spawnSync(process.execPath, [main, 'doctor', '--json', ...args], {
      encoding: 'utf8',
      timeout: 40_000,
      env: {
        ...process.env,
        ...{ DRAY_QUEUE: rabbit.url, DRAY_STATE: redis.url, DRAY_BLOBS: blobs, ...given },
        ...{ AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'nothing' },
      },
    });
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    const of = (check: string) => findings.find((one) => one.check === check);
    return { status, of, wrong: findings.filter(({ state }) => state === 'wrong').map(({ check }) => check) };
  };

  it('says that RabbitMQ has an alarm, which fails no start, and ends', async () => {
    await rabbit.control('set_vm_memory_high_watermark', '0.00001');
    const alarmed = await eventually(
      () => ask(['--wait', '0s']),
      ({ of }) => of('rabbitmq')?.state === 'warning',
    );
    expect(alarmed.of('rabbitmq')?.detail).toContain('it takes no messages');
    expect(alarmed).toMatchObject({ status: 0, wrong: [] });
    // Asked about all, it calls it wrong.
    expect(ask([])).toMatchObject({ status: 1, wrong: ['rabbitmq'] });
    await rabbit.control('set_vm_memory_high_watermark', '0.4');
  });

  it.each<[server: string, given: Readonly<Record<string, string>>, check: string]>([
    ['RabbitMQ', { DRAY_QUEUE: 'amqp://127.0.0.1:9' }, 'rabbitmq'],
    ['the S3 server', { DRAY_BLOBS: 's3://bucket?endpoint=http://127.0.0.1:9&region=x' }, 'blobs'],
  ])('says that %s is away, which fails no start', (_, given, check) => {
    const found = ask(['--wait', '0s'], given);
    expect(found.of(check)?.state).toBe('warning');
    expect(found.status).toBe(0);
  });

  it.each<[what: string, given: Readonly<Record<string, string>>, check: string]>([
    ['Redis is away', { DRAY_STATE: 'redis://127.0.0.1:9' }, 'redis'],
    ['a host is unknown', { DRAY_QUEUE: 'amqp://nowhere.invalid' }, 'rabbitmq'],
    ['a folder cannot be made', { DRAY_BLOBS: 'file:///dev/null/folder' }, 'blobs'],
  ])('fails where %s', (_, given, check) => {
    expect(ask(['--wait', '0s'], given)).toMatchObject({ status: 1, wrong: [check] });
  });

  it('fails where RabbitMQ refuses the password', () => {
    const queue = new URL(rabbit.url);
    queue.password = 'not-the-one';
    expect(ask(['--wait', '0s'], { DRAY_QUEUE: queue.href })).toMatchObject({
      status: 1,
      wrong: ['rabbitmq'],
    });
  });
});
