import { describe, expect, test } from 'vitest';
import type { JobEvent, JobFilter } from '../../../src/engine/engine.js';
import { statuses, transition, type Status } from '../../../src/jobs/life-cycle.js';
import { Bench, boom, idsOf, minute, type EngineFactory } from './setup.js';

export function bulk(factory: EngineFactory): void {
  describe('changes of many', () => {
    const bench = new Bench(factory);

    /** Changes in steps until there is no more to do. */
    const changeAll = async (change: 'cancel' | 'redrive', filter: JobFilter, limit = 100) => {
      const steps: number[] = [];
      for (let more = true; more && steps.length < 100;) {
        const step = await bench.engine.changeAll({ change, filter, limit });
        steps.push(step.changed);
        more = step.more;
      }
      return steps;
    };
    const statusesOf = async (ids: readonly string[]): Promise<Status[]> =>
      Promise.all(ids.map(async (id) => (await bench.job(id)).status));
    const failed = async (count: number, type = bench.newType()) => {
      const ids = idsOf(await bench.submitMany(count, { type }));
      for (const { job, token } of await bench.claim({ types: [type], max: count })) {
        await bench.engine.fail({ id: job.id, token, error: boom });
      }
      return { type, ids };
    };

    /** A store with two jobs of one type in each state. */
    const oneOfEach = (run: (bench: Bench, ids: ReadonlyMap<Status, readonly string[]>) => Promise<void>) =>
      Bench.alone(factory, async (bench) => {
        const given = { attempts: 3, leaseMs: 1_000 * minute, retryInMs: 1_000 * minute };
        const ids = new Map<Status, readonly string[]>();
        for (const status of statuses) {
          ids.set(status, [(await bench.driveTo(status, given)).id, (await bench.driveTo(status, given)).id]);
        }
        await run(bench, ids);
      });

    test.each(['cancel', 'redrive'] as const)(
      'by %s reach every job whose state allows it, as the table says, and no other',
      (change) =>
        oneOfEach(async (bench, ids) => {
          const before = await bench.engine.list({ limit: 100 });
          const changed = await bench.engine.changeAll({ change, filter: {}, limit: 100 });
          expect(changed.more).toBe(false);
          let expected = 0;
          for (const status of statuses) {
            const row = transition(status, change);
            for (const id of ids.get(status)!) {
              if (row) {
                expect((await bench.job(id)).status).toBe(row.to);
                expected += 1;
              } else {
                expect(await bench.job(id)).toEqual(before.jobs.find((job) => job.id === id));
              }
            }
          }
          expect(changed.changed).toBe(expected);
        }),
    );

    test.each(['cancel', 'redrive'] as const)('by %s with a status reach jobs of that status', (change) =>
      oneOfEach(async (bench, ids) => {
        for (const status of statuses) {
          const allowed = transition(status, change) !== undefined;
          const answer = await bench.engine.changeAll({ change, filter: { status }, limit: 100 });
          expect(answer).toEqual({ changed: allowed ? 2 : 0, more: false });
          const to = allowed ? transition(status, change)!.to : status;
          for (const id of ids.get(status)!) expect((await bench.job(id)).status).toBe(to);
          // What a redrive made pending is out of the way of the next status.
          if (change === 'redrive') for (const id of ids.get(status)!) await bench.engine.cancel({ id });
        }
      }),
    );

    test('keep to the type and the label that the filter names', async () => {
      const type = bench.newType();
      const label = { name: 'run', value: bench.clock.token() };
      const labels = { [label.name]: label.value, other: 'x' };
      const both = await bench.submit({ type, labels });
      const otherType = await bench.submit({ labels });
      const otherValue = await bench.submit({ type, labels: { run: 'another', other: 'x' } });
      const ids = [both.id, otherType.id, otherValue.id];
      expect(await changeAll('cancel', { type, label })).toEqual([1]);
      expect(await statusesOf(ids)).toEqual(['cancelled', 'pending', 'pending']);
      expect(await changeAll('cancel', { label })).toEqual([1]);
      expect(await statusesOf(ids)).toEqual(['cancelled', 'cancelled', 'pending']);
      expect(await changeAll('cancel', { type, label: { name: 'other', value: 'x' } })).toEqual([1]);
      expect(await statusesOf(ids)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    });

    test('go on in steps, newest first, until all are done', async () => {
      const { type, ids } = await failed(7);
      const first = await bench.engine.changeAll({ change: 'redrive', filter: { type }, limit: 3 });
      expect(first).toEqual({ changed: 3, more: true });
      expect(await statusesOf(ids)).toEqual([
        ...Array.from({ length: 4 }, () => 'failed'),
        ...Array.from({ length: 3 }, () => 'pending'),
      ]);
      const rest = await changeAll('redrive', { type }, 3);
      expect(rest.reduce((sum, changed) => sum + changed, 0)).toBe(4);
      expect(new Set(await statusesOf(ids))).toEqual(new Set(['pending']));
      expect(await changeAll('redrive', { type }, 3)).toEqual([0]);
    });

    test('find the few that are meant among many with the same label', async () => {
      const label = { name: 'batch', value: bench.clock.token() };
      const labels = { [label.name]: label.value };
      const { id } = await bench.submit({ labels });
      const done = await bench.submitMany(30, { labels });
      for (const job of done) await bench.engine.cancel({ id: job.id });
      expect(await changeAll('cancel', { label }, 2)).toEqual([1]);
      expect((await bench.job(id)).status).toBe('cancelled');
    });

    test('give what single operations give: a lost lease, more attempts, a record of the attempt', async () => {
      const { job, token } = await bench.lease();
      await changeAll('cancel', { type: job.type });
      expect(await bench.engine.complete({ id: job.id, token, result: { inline: 1 } })).toBe('stale');
      expect(await bench.job(job.id)).toMatchObject({ finishedAt: bench.clock.now() });
      expect((await bench.job(job.id)).attempts).toMatchObject([{ outcome: 'cancelled' }]);

      const { type, ids } = await failed(1);
      const before = await bench.job(ids[0]!);
      await changeAll('redrive', { type });
      const again = await bench.job(ids[0]!);
      expect(again.maxAttempts).toBe(before.attempt + before.retry.attempts);
      expect(again).not.toHaveProperty('error');
    });

    test('tell of each job', async () => {
      const { type, ids } = await failed(3);
      const told: JobEvent[] = [];
      await bench.engine.ping(); // what was told of before is over
      const end = bench.engine.subscribe((event) => told.push(event));
      await changeAll('redrive', { type });
      await bench.engine.ping();
      end();
      const mine = told.filter((event) => event.type === type);
      expect(mine.map(({ status, version }) => [status, version])).toEqual(ids.map(() => ['pending', 4]));
      expect(mine.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    });

    test('are counted', async () => {
      const { type } = await failed(3);
      await bench.submitMany(2, { type, work: 4 });
      await changeAll('cancel', { type });
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 0, cancelled: 2 }, pendingWork: 0 });
      await changeAll('redrive', { type });
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 3, failed: 0 }, pendingWork: 3 });
    });

    test('wake a claim that waits for what was re-driven', async () => {
      const { type, ids } = await failed(1);
      const { leases } = await bench.waiting([type]);
      await changeAll('redrive', { type });
      expect(idsOf(await leases)).toEqual(ids);
    });

    test('give on the places of what was cancelled, and wake a claim', async () => {
      const type = bench.newType();
      const key = { name: 'k', places: 2 };
      const labels = { run: bench.clock.token() };
      const ids = idsOf(await bench.submitMany(3, { type, key, labels }));
      const left = await bench.submit({ type, key });
      await bench.claim({ types: [type], max: 2 });
      const { leases } = await bench.waiting([type]);
      await changeAll('cancel', { type, label: { name: 'run', value: labels.run } });
      expect(idsOf(await leases)).toEqual([left.id]);
      expect(await statusesOf(ids)).toEqual(['cancelled', 'cancelled', 'cancelled']);
      expect(await bench.counts(type)).toMatchObject({ held: 0, pendingWork: 0 });
    });

    test('give the free places to the oldest of what was re-driven', async () => {
      const type = bench.newType();
      const ids = idsOf(await bench.submitMany(3, { type, key: { name: 'k', places: 1 } }));
      for (const id of ids) {
        const [lease] = await bench.claim({ types: [type] });
        expect(await bench.engine.fail({ id, token: lease!.token, error: boom })).toBe('applied');
      }
      await changeAll('redrive', { type });
      expect(idsOf(await bench.claimNow({ types: [type], max: 5 }))).toEqual([ids[0]]);
      expect(await bench.counts(type)).toMatchObject({ jobs: { pending: 2 }, held: 2 });
    });

    test('change nothing where nothing fits', async () => {
      const { id, type } = await bench.submit();
      const answer = { changed: 0, more: false };
      const filters: JobFilter[] = [
        { type: bench.newType() },
        { type, status: 'scheduled' },
        { type, label: { name: 'none', value: '' } },
      ];
      for (const filter of filters) {
        expect(await bench.engine.changeAll({ change: 'cancel', filter, limit: 10 })).toEqual(answer);
      }
      expect((await bench.job(id)).status).toBe('pending');
    });
  });
}
