import { connect as connectAmqp } from 'amqplib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryBound } from '../../../src/control/bounds.js';
import type { ClusterEngine } from '../../../src/engine/cluster/index.js';
import { eventually } from '../../support/eventually.js';
import { OwnServers, canStart, claimOne, newJob } from './servers.js';

describe.skipIf(!canStart())('the cluster engine, where a server', () => {
  let servers: OwnServers;
  beforeAll(async () => (servers = await OwnServers.start()));
  afterAll(() => servers.stop());

  const complete = async (engine: ClusterEngine, type: string): Promise<string> => {
    const { job, token } = await claimOne(engine, type);
    expect(await engine.complete({ id: job.id, token, result: { inline: 1 } })).toBe('applied');
    return job.id;
  };
  /** What a leader does, until the job is there. */
  const maintained = async (engine: ClusterEngine, until: () => Promise<boolean>): Promise<void> => {
    for (let done = false; !done;) {
      await engine.maintain().catch(() => undefined);
      done = await until().catch(() => false);
      servers.ahead += 1_000;
    }
  };

  test('RabbitMQ is away takes submits, up to a bound, and hands them out when it is back', async () => {
    const engine = await servers.engine({ mostUnsent: 3 });
    await servers.rabbit.kill();
    const job = newJob();
    expect((await engine.submit({ jobs: [job, newJob(), newJob()] })).kind).toBe('stored');
    expect((await engine.stats()).outbox.jobs).toBe(3);
    await expect(engine.submit({ jobs: [newJob()] })).rejects.toMatchObject({ code: 'unavailable' });
    await servers.restartRabbit();
    await maintained(engine, async () => (await engine.stats()).outbox.jobs === 0);
    expect(await complete(engine, job.type)).toBe(job.id);
  });

  test('RabbitMQ lost its messages hands out anew what waits', async () => {
    const engine = await servers.engine();
    const job = newJob();
    await engine.submit({ jobs: [job] });
    await servers.restartRabbit({ emptied: true });
    await maintained(engine, async () => (await engine.stats()).reemitted > 0);
    expect(await complete(engine, job.type)).toBe(job.id);
    expect(await engine.get({ id: job.id })).toMatchObject({ status: 'completed', attempt: 1 });
  });

  test('Redis is away refuses at once, and goes on where it was when it is back', async () => {
    const engine = await servers.engine();
    const job = newJob();
    await engine.submit({ jobs: [job] });
    await servers.redis.kill();
    await expect(engine.submit({ jobs: [newJob()] })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(engine.get({ id: job.id })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(claimOne(engine, job.type)).rejects.toMatchObject({ code: 'unavailable' });
    await servers.restartRedis();
    await eventually(
      () => engine.get({ id: job.id }).catch(() => undefined),
      (found) => found?.status === 'pending',
    );
    const seen: string[] = [];
    engine.subscribe((event) => seen.push(event.status));
    expect(await complete(engine, job.type)).toBe(job.id);
    await engine.ping();
    expect(seen).toContain('completed');
  });

  test('Redis is away at the start is waited for', async () => {
    await servers.redis.kill();
    const engine = await servers.engine();
    await expect(engine.ping()).rejects.toMatchObject({ code: 'unavailable' });
    await servers.restartRedis();
    await eventually(
      () =>
        engine.ping().then(
          () => true,
          () => false,
        ),
      (answers) => answers,
    );
    const job = newJob();
    await engine.submit({ jobs: [job] });
    expect(await complete(engine, job.type)).toBe(job.id);
  });

  test('Redis lost everything runs what RabbitMQ still holds, and each job once', async () => {
    const engine = await servers.engine();
    const type = 'from-messages';
    const key = { name: 'k', places: 1 };
    const jobs = [
      newJob({ type, labels: { run: 'x' } }),
      newJob({ type, key, retry: { ...newJob().retry, attempts: 2 } }),
    ];
    await engine.submit({ jobs });
    const redis = new Redis(servers.redis.url);
    await redis.flushall();
    await redis.quit();
    const done = [await complete(engine, type), await complete(engine, type)];
    expect(done.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
    expect(await engine.get({ id: jobs[1]!.id })).toMatchObject({
      maxAttempts: 2,
      key: 'k',
      status: 'completed',
    });
    const found = await engine.list({ label: { name: 'run', value: 'x' }, limit: 5 });
    expect(found.jobs).toMatchObject([{ id: jobs[0]!.id, status: 'completed' }]);
    expect((await engine.counts()).find((one) => one.type === type)).toMatchObject({
      jobs: { pending: 0, completed: 2 },
      pendingWork: 0,
    });
  });

  test('Redis is full refuses submits whole, and takes the ends of what runs', async () => {
    const engine = await servers.engine();
    const job = newJob();
    await engine.submit({ jobs: [job] });
    const lease = await claimOne(engine, job.type);
    const redis = new Redis(servers.redis.url);
    const refusal = memoryBound(() => engine.memory());
    expect(await refusal()).toBeUndefined();
    await redis.config('SET', 'maxmemory', '1mb');
    expect(await refusal()).toMatchObject({ code: 'storage-full' }); // the API says so before it reads a body
    const refused = newJob();
    await expect(engine.submit({ jobs: [refused] })).rejects.toMatchObject({ code: 'storage-full' });
    const own = { id: job.id, token: lease.token };
    expect(await engine.heartbeat({ leases: [own], leaseMs: 60_000 })).toEqual(['applied']);
    expect(await engine.complete({ ...own, result: { inline: 1 } })).toBe('applied');
    await redis.config('SET', 'maxmemory', '0');
    await redis.quit();
    expect(await engine.get({ id: refused.id })).toBeUndefined();
  });

  test('Redis is full still says who works and how many should, which is what empties it', async () => {
    const { fleet } = await servers.engine();
    const redis = new Redis(servers.redis.url);
    await redis.config('SET', 'maxmemory', '1mb');
    await expect(redis.set('anything', 'x')).rejects.toThrow(/OOM/);
    const worker = { id: 'w', pid: 1, types: ['echo'], slots: 2, busy: 1, executors: [] };
    const known = { ...worker, process: 'here:1', host: 'here', pool: 'gpu' };
    await fleet.announce({ process: 'here:1', workers: [known], forMs: 60_000 });
    expect(await fleet.workers()).toEqual([known]);
    const plan = { kind: 'unknown', reason: 'as a test' } as const;
    await fleet.publishPlan({ pool: 'gpu', pools: ['default', 'gpu'], plan, forMs: 60_000 });
    expect((await fleet.plans()).get('gpu')).toEqual(plan);
    await fleet.announce({ process: 'here:1', workers: [], forMs: 60_000 });
    expect(await fleet.workers()).toEqual([]);
    await redis.config('SET', 'maxmemory', '0');
    await redis.quit();
  });

  test('the queue holds what is no message of ours sets it aside, and goes on', async () => {
    const engine = await servers.engine();
    const type = 'beside-rubbish';
    await engine.submit({ jobs: [newJob({ type })] });
    await complete(engine, type);
    const connection = await connectAmqp(servers.rabbit.url);
    const channel = await connection.createChannel();
    const queue = `dray.ready.${type}.normal`;
    for (const body of ['no json', '{"format":1}', '[]']) channel.sendToQueue(queue, Buffer.from(body));
    const job = newJob({ type });
    await engine.submit({ jobs: [job] });
    expect(await complete(engine, type)).toBe(job.id);
    await eventually(
      () => channel.checkQueue('dray.dead'),
      ({ messageCount }) => messageCount === 3,
    );
    await engine.maintain(); // what is there with a reason stays to be looked at
    const dead = await channel.get('dray.dead', { noAck: true });
    expect(dead && dead.properties.headers?.['x-dray-reason']).toBe('not a message of Dray');
    await connection.close();
  });

  test('refuses us says so, and what to do', async () => {
    const wrongPassword = servers.redis.url.replace('redis://', 'redis://nobody:wrong@');
    await expect(servers.engine({ state: wrongPassword })).rejects.toMatchObject({
      field: 'state',
      message: expect.stringMatching(/password/) as string,
    });
    await expect(servers.engine({ state: `${servers.redis.url}/99` })).rejects.toMatchObject({
      field: 'state',
    });
  });
});
