import { describe, expect, test } from 'vitest';
import type { NewJob } from '../../../src/engine/engine.js';
import { defaultRetry } from '../../../src/jobs/retry.js';
import { Bench, boom, idsOf, minute, type EngineFactory } from './setup.js';

const once = { ...defaultRetry, attempts: 1 };

/** What ends an attempt, with the place that it had. */
const freeing = {
  completion: (bench: Bench, lease: { id: string; token: string }) =>
    bench.engine.complete({ ...lease, result: { inline: 1 } }),
  'failure for good': (bench: Bench, lease: { id: string; token: string }) =>
    bench.engine.fail({ ...lease, error: boom }),
  'failure with a retry': (bench: Bench, lease: { id: string; token: string }) =>
    bench.engine.fail({ ...lease, error: boom, retryInMs: 10 * minute }),
  'cancel of what runs': (bench: Bench, { id }: { id: string }) => bench.engine.cancel({ id }),
  'expiry of the last attempt': (bench: Bench) => expire(bench),
};

async function expire(bench: Bench): Promise<void> {
  bench.clock.advance(minute);
  await bench.engine.maintain();
}

export function keys(factory: EngineFactory): void {
  describe('keys', () => {
    const bench = new Bench(factory);
    const keyed = (name: string, places: number): Pick<NewJob, 'key'> => ({ key: { name, places } });
    const take = async (...types: string[]): Promise<string[]> =>
      idsOf(await bench.claimNow({ types, max: 10 }));
    const held = async (ids: readonly string[]): Promise<boolean[]> =>
      Promise.all(ids.map(async (id) => (await bench.job(id)).held));

    /** Jobs of one key with one place: the first has it, and runs; the others are held. */
    const queue = async (count: number, given: Partial<NewJob> = {}) => {
      const type = bench.newType();
      const jobs = await bench.submitMany(count, { type, ...keyed('k', 1), ...given });
      const [lease] = await bench.claim({ types: [type], max: count, leaseMs: minute });
      expect(lease!.job.id).toBe(jobs[0]!.id);
      return { type, ids: idsOf(jobs), lease: lease!, own: { id: lease!.job.id, token: lease!.token } };
    };

    test('release as many jobs as they have places, the oldest first, and hold the rest', async () => {
      const type = bench.newType();
      const jobs = await bench.submitMany(5, { type, ...keyed('tenant', 2) });
      const ids = idsOf(jobs);
      expect(jobs.map((job) => [job.status, job.key, job.held, job.version])).toEqual([
        ['pending', 'tenant', false, 1],
        ['pending', 'tenant', false, 1],
        ['pending', 'tenant', true, 1],
        ['pending', 'tenant', true, 1],
        ['pending', 'tenant', true, 1],
      ]);
      expect(await Promise.all(ids.map((id) => bench.job(id)))).toEqual(jobs);
      const leases = await bench.claimNow({ types: [type], max: 10 });
      expect(idsOf(leases)).toEqual(ids.slice(0, 2));
      expect(await take(type)).toEqual([]);
      await bench.complete(leases[1]!);
      expect(await take(type)).toEqual([ids[2]]);
      expect(await held(ids)).toEqual([false, false, false, true, true]);
    });

    test.each(Object.entries(freeing))('give the place on after %s, and wake a claim', async (_, free) => {
      const { type, ids, own } = await queue(3, { retry: once });
      const { leases } = await bench.waiting([type]);
      await free(bench, own);
      expect(idsOf(await leases)).toEqual([ids[1]]);
      expect(await held(ids)).toEqual([false, false, true]);
    });

    test('give the place on after the cancel of a job that had it and did not run yet', async () => {
      const type = bench.newType();
      const [first, second] = await bench.submitMany(3, { type, ...keyed('k', 1) });
      await bench.engine.cancel({ id: first!.id });
      expect(await take(type)).toEqual([second!.id]);
    });

    test('leave the place with a job that is handed back, whatever waits for it', async () => {
      const { type, ids, own } = await queue(1);
      const high = await bench.submit({ type, priority: 'high', ...keyed('k', 1) });
      await bench.engine.release(own);
      expect(await held([...ids, high.id])).toEqual([false, true]);
      expect(await take(type)).toEqual(ids);
    });

    test('leave the place with a job whose lease expires while attempts are left', async () => {
      const { type, ids } = await queue(1);
      const high = await bench.submit({ type, priority: 'high', ...keyed('k', 1) });
      await expire(bench);
      expect(await held([...ids, high.id])).toEqual([false, true]);
      expect(await take(type)).toEqual(ids);
    });

    test('give places by priority, and within one by age', async () => {
      const { type, lease } = await queue(1);
      const submit = async (priority: NewJob['priority']) =>
        (await bench.submit({ type, priority, ...keyed('k', 1) })).id;
      const low = await submit('low');
      const normal = await submit('normal');
      const later = await submit('normal');
      const high = await submit('high');
      const seen: string[] = [];
      for (let current = lease; seen.length < 4;) {
        await bench.complete(current);
        const next = await bench.claim({ types: [type], max: 10 });
        seen.push(...idsOf(next));
        current = next[0]!;
      }
      expect(seen).toEqual([high, normal, later, low]);
    });

    test('give the places of one submit by priority too', async () => {
      const type = bench.newType();
      const jobs = (['low', 'normal', 'high'] as const).map((priority) =>
        bench.newJob({ type, priority, ...keyed('k', 1) }),
      );
      await bench.engine.submit({ jobs });
      expect(await held(jobs.map(({ id }) => id))).toEqual([true, true, false]);
    });

    test('do not disturb other keys, other types, or jobs without one', async () => {
      const [type, other] = [bench.newType(), bench.newType()];
      const backlog = await bench.submitMany(1_000, { type, ...keyed('a', 1) });
      const sameType = await bench.submit({ type, ...keyed('b', 1) });
      const sameName = await bench.submit({ type: other, ...keyed('a', 1) });
      const without = await bench.submitMany(3, { type });
      expect(without.map((job) => job.held)).toEqual([false, false, false]);
      expect(without[0]).not.toHaveProperty('key');
      const found = await take(type, other);
      expect(found.toSorted()).toEqual(
        [backlog[0]!.id, sameType.id, sameName.id, ...idsOf(without)].toSorted(),
      );
      expect(await take(type, other)).toEqual([]);
    });

    test('are told apart where type and name together read alike', async () => {
      const base = bench.newType();
      const jobs = [
        bench.newJob({ type: `${base} a`, ...keyed('b', 1) }),
        bench.newJob({ type: base, ...keyed('a b', 1) }),
      ];
      await bench.engine.submit({ jobs });
      expect(await held(jobs.map(({ id }) => id))).toEqual([false, false]);
    });

    test('have as many places as the latest submit said, for all of their jobs, when that is more', async () => {
      const type = bench.newType();
      const ids = idsOf(await bench.submitMany(4, { type, ...keyed('k', 1) }));
      const { leases } = await bench.waiting([type]);
      expect(idsOf(await leases)).toEqual([ids[0]]);
      const woken = await bench.waiting([type]);
      // The job that raises it is delayed: that it waits itself changes nothing.
      await bench.submit({ type, ...keyed('k', 3), runAt: bench.clock.now() + minute });
      expect(idsOf(await woken.leases)).toEqual([ids[1]]);
      expect(await take(type)).toEqual([ids[2]]);
      expect(await held(ids)).toEqual([false, false, false, true]);
    });

    test('take no place away where the latest submit says fewer, and fill none until enough are free', async () => {
      const type = bench.newType();
      const first = await bench.submitMany(3, { type, ...keyed('k', 3) });
      const rest = await bench.submitMany(2, { type, ...keyed('k', 1) });
      const leases = await bench.claimNow({ types: [type], max: 10 });
      expect(idsOf(leases)).toEqual(idsOf(first));
      for (const lease of leases.slice(0, 2)) await bench.complete(lease);
      expect(await take(type)).toEqual([]);
      await bench.complete(leases[2]!);
      expect(await take(type)).toEqual([rest[0]!.id]);
    });

    test('let go of a great many jobs, if need be in parts', async () => {
      const type = bench.newType();
      const jobs = await bench.submitMany(2_500, { type, ...keyed('k', 1) });
      await bench.submit({ type, ...keyed('k', 2_400) });
      for (let pass = 0; pass < 10; pass++) await bench.engine.maintain();
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 2_501 }, held: 101 });
      expect(await held([jobs[2_399]!.id, jobs[2_400]!.id])).toEqual([false, true]);
    });

    test('count what they hold apart from what may be claimed', async () => {
      const type = bench.newType();
      const start = bench.clock.now();
      await bench.submitMany(4, { type, work: 5, ...keyed('k', 1) });
      expect(await bench.counts(type)).toMatchObject({
        jobs: { pending: 4 },
        held: 3,
        pendingWork: 5,
        oldestPendingAt: start,
      });
      const [lease] = await bench.claim({ types: [type] });
      const running = await bench.counts(type);
      expect(running).toMatchObject({ jobs: { pending: 3, 'in-progress': 1 }, held: 3, pendingWork: 0 });
      expect(running).not.toHaveProperty('oldestPendingAt');
      await bench.complete(lease!);
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 3 }, held: 2, pendingWork: 5 });
    });

    test('hold a job no more once it is cancelled', async () => {
      const { type, ids } = await queue(3);
      await bench.engine.cancel({ id: ids[1]! });
      expect(await bench.job(ids[1]!)).toMatchObject({ status: 'cancelled', held: false });
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 1, cancelled: 1 }, held: 1 });
    });

    test('let a re-driven job wait for a place again', async () => {
      const { type, ids, own } = await queue(2);
      await bench.engine.fail({ ...own, error: boom });
      const [second] = await bench.claim({ types: [type] });
      expect(await bench.engine.redrive({ id: ids[0]! })).toBe('applied');
      expect(await bench.job(ids[0]!)).toMatchObject({ status: 'pending', held: true });
      expect(await take(type)).toEqual([]);
      await bench.complete(second!);
      expect(await take(type)).toEqual([ids[0]]);
    });

    test('let a retried job wait for a place again when its backoff is over', async () => {
      const { type, ids, own } = await queue(2);
      await bench.engine.fail({ ...own, error: boom, retryInMs: 1_000 });
      const [second] = await bench.claim({ types: [type], leaseMs: 10 * minute });
      bench.clock.advance(1_000);
      await bench.engine.maintain();
      expect(await bench.job(ids[0]!)).toMatchObject({ status: 'pending', held: true });
      expect(await take(type)).toEqual([]);
      await bench.complete(second!);
      expect(await take(type)).toEqual([ids[0]]);
    });

    test('keep no place for a delayed job, which waits for one from its moment on', async () => {
      const type = bench.newType();
      const delayed = await bench.submit({ type, ...keyed('k', 1), runAt: bench.clock.now() + 1_000 });
      expect(delayed).toMatchObject({ status: 'scheduled', held: false });
      const now = await bench.submit({ type, ...keyed('k', 1) });
      const [lease] = await bench.claim({ types: [type] });
      expect(lease!.job.id).toBe(now.id);
      bench.clock.advance(1_000);
      await bench.engine.maintain();
      expect(await bench.job(delayed.id)).toMatchObject({ status: 'pending', held: true });
      await bench.complete(lease!);
      expect(await take(type)).toEqual([delayed.id]);
    });

    test('are never exceeded when claims and ends of all kinds come at once', async () => {
      const type = bench.newType();
      const places = 3;
      await Promise.all(
        Array.from({ length: 20 }, () => bench.submitMany(3, { type, ...keyed('k', places) })),
      );
      let done = 0;
      while (done < 60) {
        const leases = (
          await Promise.all(Array.from({ length: 4 }, () => bench.claimNow({ types: [type], max: 2 })))
        ).flat();
        expect(leases).toHaveLength(places);
        await Promise.all(leases.map((lease) => bench.complete(lease)));
        done += leases.length;
      }
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 0, completed: 60 }, held: 0 });
    });

    test('outlive the engine, their places and who has them included', () =>
      Bench.alone(factory, async (bench) => {
        const type = bench.newType();
        const ids = idsOf(await bench.submitMany(5, { type, ...keyed('k', 2) }));
        await bench.reopen();
        expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 5 }, held: 3 });
        const leases = await bench.claimNow({ types: [type], max: 10 });
        expect(idsOf(leases)).toEqual(ids.slice(0, 2));
        await bench.complete(leases[0]!);
        expect(idsOf(await bench.claimNow({ types: [type], max: 10 }))).toEqual([ids[2]]);
      }));

    test('give on the places of attempts that ended with the engine', () =>
      Bench.alone(factory, async (bench) => {
        const type = bench.newType();
        const ids = idsOf(await bench.submitMany(2, { type, retry: once, ...keyed('k', 1) }));
        await bench.claim({ types: [type], leaseMs: minute });
        await bench.reopen();
        await expire(bench);
        expect((await bench.job(ids[0]!)).status).toBe('failed');
        expect(idsOf(await bench.claimNow({ types: [type] }))).toEqual([ids[1]]);
      }));
  });
}
