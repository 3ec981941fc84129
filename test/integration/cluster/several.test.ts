import { connect as connectAmqp } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import type { ClusterEngine } from '../../../src/engine/cluster/index.js';
import { eventually } from '../../support/eventually.js';
import { OwnServers, canStart, claimOne, newJob } from './servers.js';

describe.skipIf(!canStart())('cluster engines of several processes', () => {
  let servers: OwnServers;
  let one: ClusterEngine;
  let other: ClusterEngine;
  beforeAll(async () => {
    servers = await OwnServers.start();
    [one, other] = [await servers.engine(), await servers.engine()];
  });
  afterAll(() => servers.stop());

  const newType = (): string => newJob().type;
  const claim = (engine: ClusterEngine, type: string, max: number, signal: AbortSignal) =>
    engine.claim({ worker: 'w', types: [type], max, leaseMs: 60_000, signal });

  test('see each other’s changes', async () => {
    const seen: string[] = [];
    const end = other.subscribe((event) => {
      if (event.id === job.id) seen.push(event.status);
    });
    const job = newJob();
    await one.submit({ jobs: [job] });
    const { token } = await claimOne(one, job.type);
    await one.complete({ id: job.id, token, result: { inline: 1 } });
    await other.ping();
    end();
    expect(seen).toEqual(['pending', 'in-progress', 'completed']);
  });

  test('find the one job that is meant behind more of its label than one script looks at', async () => {
    const label = { name: 'run', value: newType() };
    const labels = { [label.name]: label.value };
    const first = newJob({ labels });
    await one.submit({ jobs: [first] });
    for (let batch = 0; batch < 9; batch++) {
      await one.submit({ jobs: Array.from({ length: 250 }, () => newJob({ type: 'crowd', labels })) });
    }
    const filter = { type: first.type, label };
    expect((await one.list({ ...filter, limit: 10 })).jobs.map(({ id }) => id)).toEqual([first.id]);
    expect(await one.changeAll({ change: 'cancel', filter, limit: 10 })).toEqual({ changed: 1, more: false });
    let [changed, more] = [0, true];
    while (more) {
      const done = await one.changeAll({ change: 'cancel', filter: { label }, limit: 1_000 });
      changed += done.changed;
      more = done.more;
    }
    expect(changed).toBe(9 * 250);
  });

  test('stop at a pause that another made, also where they wait already', async () => {
    const type = newType();
    const aborter = new AbortController();
    // What a queue that is just being made refuses, a leader sends again.
    const stopLeading = systemClock.every(1_000, () => void one.maintain());
    const waiting = claim(other, type, 1, aborter.signal);
    await eventually(
      () => other.ping().then(() => one.counts()),
      () => true,
    );
    await one.pause({ type });
    await other.ping(); // it has heard of it
    await one.submit({ jobs: [newJob({ type })] });
    const probe = newType();
    await one.submit({ jobs: [newJob({ type: probe })] });
    await claimOne(other, probe); // by then the first would have come too
    expect((await one.counts()).find((counts) => counts.type === type)).toMatchObject({
      jobs: { pending: 1 },
      paused: true,
    });
    await one.resume({ type });
    expect(await waiting).toHaveLength(1);
    stopLeading();
  });

  test('keep the messages of a paused type, also beside one that is stale', async () => {
    const type = newType();
    const jobs = Array.from({ length: 5 }, () => newJob({ type }));
    await one.submit({ jobs });
    await one.pause({ type });
    await one.cancel({ id: jobs[3]!.id });
    // Another engine, which has not heard of the pause: it learns of it from the records.
    const late = await servers.engine();
    const first = claim(late, type, 5, AbortSignal.timeout(1_000));
    expect(await first).toEqual([]);
    await one.resume({ type });
    const seen = new Set<string>();
    while (seen.size < 4) {
      for (const { job } of await claim(late, type, 5, AbortSignal.timeout(20_000))) seen.add(job.id);
    }
    expect(seen).not.toContain(jobs[3]!.id);
    expect((await one.stats()).reemitted).toBe(0); // none had to be sent again
  });

  test('find all messages that were lost, however many', async () => {
    const type = newType();
    await one.submit({ jobs: Array.from({ length: 600 }, () => newJob({ type })) });
    const connection = await connectAmqp(servers.rabbit.url);
    const channel = await connection.createChannel();
    const { messageCount } = await channel.purgeQueue(`dray.ready.${type}.normal`);
    await connection.close();
    expect(messageCount).toBe(600);
    const engine = await servers.engine();
    servers.ahead += 31_000;
    await engine.maintain();
    expect((await engine.stats()).reemitted).toBe(600);
  });

  test('give back what no claim took, for the others', async () => {
    const type = newType();
    const aborter = new AbortController();
    // Asks for many, so that RabbitMQ sends many as soon as they are there.
    const first = claim(one, type, 8, aborter.signal);
    await one.submit({ jobs: [newJob({ type })] });
    expect((await first).length).toBe(1);
    await other.submit({ jobs: Array.from({ length: 8 }, () => newJob({ type })) });
    const seen = new Set<string>();
    while (seen.size < 8) {
      for (const lease of await claim(other, type, 8, AbortSignal.timeout(20_000))) seen.add(lease.job.id);
    }
    expect(seen.size).toBe(8);
  });

  test('have one leader, and the next one when it resigns or dies', async () => {
    const { fleet } = one;
    expect(await fleet.lead({ holder: 'a', forMs: 60_000 })).toBe(true);
    expect(await other.fleet.lead({ holder: 'b', forMs: 60_000 })).toBe(false);
    expect(await fleet.lead({ holder: 'a', forMs: 60_000 })).toBe(true);
    expect(await other.fleet.leader()).toBe('a');
    await other.fleet.resign({ holder: 'b' });
    expect(await other.fleet.leader()).toBe('a');
    await fleet.resign({ holder: 'a' });
    expect(await other.fleet.lead({ holder: 'b', forMs: 1 })).toBe(true);
    await eventually(
      () => fleet.lead({ holder: 'a', forMs: 60_000 }),
      (leads) => leads,
    );
  });

  test('have one plan for each pool, and know which pools there are', async () => {
    const unknown = expect.objectContaining({ kind: 'unknown' }) as object;
    expect([...(await other.fleet.plans())]).toEqual([['default', unknown]]);
    const plan = { kind: 'unknown', reason: 'as it was told' } as const;
    const pools = ['default', 'gpu'];
    await one.fleet.publishPlan({ pool: 'gpu', pools, plan, forMs: 60_000 });
    expect([...(await other.fleet.plans())]).toEqual([
      ['default', unknown],
      ['gpu', plan],
    ]);
    await one.fleet.publishPlan({ pool: 'gpu', pools, plan: { ...plan, reason: 'brief' }, forMs: 1 });
    await eventually(
      () => other.fleet.plans(),
      (plans) => plans.has('gpu') && JSON.stringify(plans.get('gpu')).includes('no controller has published'),
    );
    await one.fleet.publishPlan({ pool: 'default', pools: ['default'], plan, forMs: 60_000 });
    expect([...(await other.fleet.plans())]).toEqual([['default', plan]]);
  });

  test('have one name, which lasts', async () => {
    const names = await Promise.all(
      [one, other].map(({ fleet }, at) => fleet.identity({ otherwise: `${at}` })),
    );
    expect(names[0]).toBe(names[1]);
    const later = await servers.engine();
    expect(await later.fleet.identity({ otherwise: 'another' })).toBe(names[0]);
  });

  test('do each job once where two maintain at the same time', async () => {
    const type = newType();
    const jobs = Array.from({ length: 50 }, () =>
      newJob({ type, runAt: systemClock.now() + servers.ahead + 5_000 }),
    );
    await one.submit({ jobs });
    servers.ahead += 5_000;
    const answers = await Promise.all([one.maintain(), other.maintain(), one.maintain(), other.maintain()]);
    expect(answers.reduce((sum, { released }) => sum + released, 0)).toBe(50);
    const ids = new Set<string>();
    let leases = 0;
    while (leases < 50) {
      for (const { job } of await claim(one, type, 50, AbortSignal.timeout(20_000))) {
        ids.add(job.id);
        leases += 1;
      }
    }
    expect(ids.size).toBe(50);
  });

  test('keep leases where the clock of the store was set forward', async () => {
    let set = 0;
    const time = { now: () => systemClock.now() + set, monotonic: () => systemClock.monotonic() };
    const engine = await servers.engine({ time });
    await engine.maintain();
    const job = newJob();
    await engine.submit({ jobs: [job] });
    await claimOne(engine, job.type, 10_000);
    set = 3_600_000;
    await engine.maintain();
    expect(await engine.get({ id: job.id })).toMatchObject({ status: 'in-progress' });
    set = 0;
    await engine.maintain();
  });

  test('take the jobs of a process that is gone, and of none that is there', async () => {
    const dying = await servers.engine({ process: 'host:1' });
    const jobs = [newJob(), newJob(), newJob()];
    await one.submit({ jobs });
    const claimAs = (engine: ClusterEngine, worker: string, { type }: { type: string }) =>
      engine.claim({ worker, types: [type], max: 1, leaseMs: 60_000, signal: AbortSignal.timeout(20_000) });
    await claimAs(dying, 'host:1', jobs[0]!);
    await claimAs(dying, 'host:1:inline', jobs[1]!);
    await claimAs(one, 'host:12', jobs[2]!);
    expect(await one.processGone({ process: 'host:1' })).toBe(0);
    await dying.close();
    expect(await one.processGone({ process: 'host:1' })).toBe(2);
    const status = await Promise.all(jobs.map(async ({ id }) => (await one.get({ id }))?.status));
    expect(status).toEqual(['pending', 'pending', 'in-progress']);
  });

  test('hand out anew a job that later ones have overtaken by far', async () => {
    const type = newType();
    const lost = newJob({ type });
    await one.submit({ jobs: [lost] });
    const connection = await connectAmqp(servers.rabbit.url);
    const channel = await connection.createChannel();
    await channel.purgeQueue(`dray.ready.${type}.normal`);
    await connection.close();
    servers.ahead += 61_000;
    const later = [newJob({ type }), newJob({ type })];
    await one.submit({ jobs: later });
    await claimOne(one, type);
    // The queue is not empty, so only the order tells that a message is missing.
    await eventually(
      async () => {
        servers.ahead += 5_000;
        await one.maintain();
        return (await one.stats()).reemitted;
      },
      (reemitted) => reemitted > 0,
    );
    const rest = [await claimOne(one, type), await claimOne(one, type)].map(({ job }) => job.id);
    expect(rest).toContain(lost.id);
  });

  test('leave what a newer Dray wrote to one that can read it', async () => {
    const type = newType();
    const before = newJob({ type });
    await one.submit({ jobs: [before] });
    await claimOne(one, type);
    const connection = await connectAmqp(servers.rabbit.url);
    const channel = await connection.createChannel();
    const queue = `dray.ready.${type}.normal`;
    channel.sendToQueue(queue, Buffer.from(JSON.stringify({ format: 99 })));
    const aborter = new AbortController();
    const waiting = claim(one, type, 1, aborter.signal);
    const message = await eventually(
      () => channel.get(queue),
      (got) => got !== false && got.fields.redelivered,
    );
    expect(message).not.toBe(false);
    aborter.abort();
    expect(await waiting).toEqual([]);
    await connection.close();
  });

  test('pass on what a job prints, from one process to those who listen in others', async () => {
    const { id } = newJob();
    const heard: string[] = [];
    const end = other.listen({ id, listener: (text) => heard.push(text) });
    await other.ping();
    one.tell({ id, text: 'a line\n' });
    await one.ping(); // it is published
    await other.ping();
    end();
    expect(heard).toEqual(['a line\n']);
  });

  test('remember the ends that are to be told elsewhere until they are', async () => {
    const [told, plain] = [newJob({ projection: 'start-end' }), newJob()];
    await one.submit({ jobs: [told, plain] });
    expect(await one.projections({ limit: 10 })).toEqual([]);
    for (const { id } of [told, plain]) await one.cancel({ id });
    const [end, ...rest] = await other.projections({ limit: 10 });
    expect([end, rest]).toMatchObject([{ id: told.id, projection: 'start-end' }, []]);
    await other.projected({ ends: [end!] });
    expect(await one.projections({ limit: 10 })).toEqual([]);
  });
});
