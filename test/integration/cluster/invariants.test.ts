/** `dray doctor --invariants --state` finds what is wrong with records in Redis, and nothing where all is well. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { openClusterEngine, type ClusterEngine } from '../../../src/engine/cluster/index.js';
import type { InvariantReport } from '../../../src/jobs/invariants.js';
import { main } from '../../support/server.js';
import { rabbitVhost, redisDatabase } from '../../support/services.js';
import { claimOne, newJob } from './servers.js';

const [queue, state] = await Promise.all([rabbitVhost(), redisDatabase()]);
const log = { info: () => undefined, warn: () => undefined };
const key = { name: 'tenant', places: 1 };

describe.skipIf(!queue || !state)('the invariants of a deployment', () => {
  let redis: Redis;
  let folder: string;
  let engine: ClusterEngine;
  /** By what was done with them. */
  const ids: Record<'waits' | 'placed' | 'held' | 'later' | 'runs' | 'done', string> = {
    ...{ waits: '', placed: '', held: '', later: '', runs: '', done: '' },
  };

  const examine = (...flags: string[]): { code: number | null; out: string } => {
    const args = [main, 'doctor', '--invariants', '--state', state!.url, ...flags];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    return { code: status, out: stdout + stderr };
  };
  const report = (): InvariantReport => JSON.parse(examine('--json').out) as InvariantReport;
  /** What is found while `spoil` has been done, which `mend` undoes. */
  const foundAfter = async (spoil: () => Promise<unknown>, mend: () => Promise<unknown>) => {
    await spoil();
    const { violations } = report();
    await mend();
    return violations;
  };

  beforeAll(async () => {
    redis = new Redis(state!.url);
    folder = await mkdtemp(join(tmpdir(), 'dray-doctor-'));
    engine = await openClusterEngine({
      queue: queue!.url,
      state: state!.url,
      clock: systemClock,
      log,
      keepForMs: 60_000,
    });
    const submit = async (name: keyof typeof ids, given: Parameters<typeof newJob>[0]) => {
      const job = newJob(given);
      await engine.submit({ jobs: [job] });
      ids[name] = job.id;
    };
    await submit('done', { type: 'quick', labels: { color: 'red' } });
    const { job, token } = await claimOne(engine, 'quick');
    await engine.complete({ id: job.id, token, result: { inline: 1 } });
    await submit('runs', { type: 'slow', blobs: ['blob-1'] });
    await claimOne(engine, 'slow');
    await submit('waits', { type: 'quick', work: 7 });
    await submit('placed', { type: 'quick', key });
    await submit('held', { type: 'quick', key });
    await submit('later', { type: 'quick', runAt: systemClock.now() + 3_600_000 });
  });

  afterAll(async () => {
    await engine.close();
    redis.disconnect();
    await rm(folder, { recursive: true });
  });

  test('hold of a deployment that works', () => {
    expect(report()).toEqual({ jobs: 6, completions: 1, violations: [], more: 0 });
    expect(examine()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Every promise holds: 6 jobs and 1/) as string,
    });
  });

  test('tell of a job that is in the wrong index', async () => {
    const set = 'dray:ready:normal:quick';
    const score = (await redis.zscore(set, ids.waits))!;
    const found = await foundAfter(
      () => redis.zrem(set, ids.waits),
      () => redis.zadd(set, score, ids.waits),
    );
    expect(found).toContainEqual({
      invariant: 'indexes',
      job: ids.waits,
      detail: 'pending, and not ready as normal',
    });
    expect(found.map(({ invariant }) => invariant)).toContain('counts');
    const twice = await foundAfter(
      () => redis.zadd('dray:finished', 1, ids.runs),
      () => redis.zrem('dray:finished', ids.runs),
    );
    expect(twice).toContainEqual({
      invariant: 'indexes',
      job: ids.runs,
      detail: 'in-progress, and among the finished',
    });
  });

  test('tell of places that nobody has, or who should not', async () => {
    const places = 'dray:key:5:quick:tenant';
    const found = await foundAfter(
      () => redis.srem(places, ids.placed),
      () => redis.sadd(places, ids.placed),
    );
    expect(found).toEqual([
      { invariant: 'keys', job: ids.placed, detail: 'pending, and not on a place of its key' },
    ]);
    const stray = systemClock.id();
    const gone = await foundAfter(
      () => redis.sadd(places, stray),
      () => redis.srem(places, stray),
    );
    expect(gone).toEqual([
      { invariant: 'indexes', job: stray, detail: 'is gone, and is in key:5:quick:tenant' },
    ]);
  });

  test('tell of counts that are wrong', async () => {
    const counts = 'dray:counts:quick';
    for (const [field, detail] of [
      ['scheduled', 'quick scheduled: counted 2, found 1'],
      ['held', 'quick held: counted 2, found 1'],
      ['work', 'quick work: counted 9, found 8'],
    ] as const) {
      const found = await foundAfter(
        () => redis.hincrby(counts, field, 1),
        () => redis.hincrby(counts, field, -1),
      );
      expect(found).toContainEqual({ invariant: 'counts', detail });
    }
    const fewer = await foundAfter(
      () => redis.hincrby(counts, 'ended:completed', -1),
      () => redis.hincrby(counts, 'ended:completed', 1),
    );
    expect(fewer.map(({ invariant }) => invariant)).toEqual(['counts']);
  });

  test('tell of a lease, a result, a label and a blob that are lost', async () => {
    const token = (await redis.hget(`dray:job:${ids.runs}`, 'token'))!;
    const lease = await foundAfter(
      () => redis.hset(`dray:job:${ids.runs}`, 'token', ''),
      () => redis.hset(`dray:job:${ids.runs}`, 'token', token),
    );
    expect(lease).toEqual([{ invariant: 'leases', job: ids.runs, detail: 'in-progress, without a lease' }]);
    const result = await foundAfter(
      () => redis.hset(`dray:job:${ids.done}`, 'result', ''),
      () => redis.hset(`dray:job:${ids.done}`, 'result', '1'),
    );
    expect(result).toMatchObject([{ invariant: 'job-state', job: ids.done }]);
    const label = 'dray:label:5:color:red';
    const unlisted = await foundAfter(
      () => redis.zrem(label, ids.done),
      () => redis.zadd(label, 1, ids.done),
    );
    expect(unlisted).toMatchObject([{ invariant: 'labels', job: ids.done }]);
    const unused = await foundAfter(
      () => redis.srem('dray:uses:blob-1', ids.runs),
      () => redis.sadd('dray:uses:blob-1', ids.runs),
    );
    expect(unused).toMatchObject([{ invariant: 'uses', job: ids.runs }]);
    expect(examine('--blobs', `file://${folder}`).out).toContain(
      'blob blob-1 that it needs is missing or damaged',
    );
  });

  test('are refused with the reason where Redis is not there', () => {
    const { code, out } = examine('--state', 'redis://127.0.0.1:1');
    expect(code).not.toBe(0);
    expect(out).toContain('Redis is away');
  });
});
