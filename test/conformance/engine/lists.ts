import { describe, expect, test } from 'vitest';
import type { JobFilter, NewJob } from '../../../src/engine/engine.js';
import { statuses } from '../../../src/jobs/life-cycle.js';
import { Bench, idsOf, minute, type EngineFactory } from './setup.js';

export function lists(factory: EngineFactory): void {
  describe('lists', () => {
    const bench = new Bench(factory);

    /** All pages of a list, as ids. `between` runs after each page. */
    const pages = async (
      filter: JobFilter,
      limit: number,
      between?: () => Promise<unknown>,
    ): Promise<string[][]> => {
      const all: string[][] = [];
      let cursor: string | undefined;
      do {
        const page = await bench.engine.list({ ...filter, limit, ...(cursor !== undefined && { cursor }) });
        all.push(page.jobs.map(({ id }) => id));
        cursor = page.nextCursor;
        await between?.();
      } while (cursor !== undefined && all.length < 100);
      return all;
    };

    test('shows the newest first, in pages without gap or overlap', async () => {
      const type = bench.newType();
      const jobs = await bench.submitMany(7, { type });
      const newest = jobs.map(({ id }) => id).reverse();
      expect(await pages({ type }, 3)).toEqual([newest.slice(0, 3), newest.slice(3, 6), newest.slice(6)]);
      expect(await pages({ type }, 7)).toEqual([newest]);
    });

    test('keeps its place while jobs are submitted', async () => {
      const type = bench.newType();
      const jobs = await bench.submitMany(6, { type });
      const found = await pages({ type }, 2, () => bench.submit({ type }));
      expect(found.flat()).toEqual(jobs.map(({ id }) => id).reverse());
    });

    test('filters by status, by type, and by both', async () => {
      const first: Record<string, string> = {};
      for (const status of statuses) {
        const given = { attempts: 3, leaseMs: 1_000 * minute, retryInMs: 1_000 * minute };
        first[status] = (await bench.driveTo(status, given)).id;
      }
      const { type } = await bench.job(first['failed']!);
      for (const status of statuses) {
        const { id } = await bench.driveTo(status, {
          attempts: 3,
          leaseMs: 1_000 * minute,
          retryInMs: 1_000 * minute,
        });
        const found = (await pages({ status }, 1)).flat();
        expect(found.slice(0, 1)).toEqual([id]);
        expect(found).toContain(first[status]);
        const others = statuses.filter((other) => other !== status).map((other) => first[other]);
        expect(found.filter((other) => others.includes(other))).toEqual([]);
        expect((await pages({ status, type }, 10)).flat()).toEqual(
          status === 'failed' ? [first[status]] : [],
        );
      }
      const everything = (await pages({}, 1_000)).flat();
      expect(everything).toEqual(expect.arrayContaining(Object.values(first)));
    });

    test('filters by a label, with status and type too', async () => {
      const [type, run] = [bench.newType(), bench.clock.token()];
      const label = { name: 'run', value: run };
      const submit = (given: Partial<NewJob>) => bench.submit({ labels: { run, team: 'a' }, ...given });
      const first = await submit({ type });
      expect(first.labels).toEqual({ run, team: 'a' });
      const other = await submit({});
      const cancelled = await submit({ type });
      await bench.engine.cancel({ id: cancelled.id });
      await submit({ type, labels: { run: 'another', team: 'a' } });
      await submit({ type, labels: { [run]: 'run', team: run } });
      await submit({ type, labels: {} });
      const found = async (filter: JobFilter) => (await pages(filter, 10)).flat();
      expect(await found({ label })).toEqual([cancelled.id, other.id, first.id]);
      expect(await found({ label, type })).toEqual([cancelled.id, first.id]);
      expect(await found({ label, status: 'pending' })).toEqual([other.id, first.id]);
      expect(await found({ label, type, status: 'pending' })).toEqual([first.id]);
      expect(await found({ label, status: 'failed' })).toEqual([]);
      expect(await found({ label: { name: 'run', value: '' } })).toEqual([]);
    });

    test('pages through a label without gap or overlap, while jobs come and change', async () => {
      const labels = { run: bench.clock.token() };
      const label = { name: 'run', value: labels.run };
      const jobs: string[] = [];
      for (let round = 0; round < 3; round++) {
        jobs.push(...idsOf(await bench.submitMany(3, { labels })));
        await bench.submitMany(3);
      }
      const newest = jobs.toReversed();
      expect(await pages({ label }, 4)).toEqual([newest.slice(0, 4), newest.slice(4, 8), newest.slice(8)]);
      const whileBusy = await pages({ label }, 2, async () => {
        await bench.submit({ labels });
        await bench.engine.cancel({ id: jobs[0]! });
      });
      expect(whileBusy.flat()).toEqual(newest);
    });

    test.each([
      ['signs', { 'a.b/c-d_e': 'x:y=z', 'percent%': '50 %' }],
      ['text of all planes', { 名: '🎲 "quoted" \\ \n', ü: '' }],
      ['names that objects have already', JSON.parse('{"__proto__": "p", "constructor": "c"}') as object],
    ])('finds jobs by labels with %s', async (_, given) => {
      const labels = given as Record<string, string>;
      const { id, type } = await bench.submit({ labels });
      expect(JSON.stringify((await bench.job(id)).labels)).toBe(JSON.stringify(labels));
      for (const [name, value] of Object.entries(labels)) {
        expect((await pages({ type, label: { name, value } }, 5)).flat()).toEqual([id]);
      }
    });

    test('gives an empty page without a cursor where there is nothing', async () => {
      expect(await bench.engine.list({ type: bench.newType(), limit: 10 })).toEqual({ jobs: [] });
    });

    test.each(['', 'x', 'MQ==', 'LTE', 'MS41', 'OTk5OTk5OTk5OTk5OTk5OTk5OTk'])(
      'refuses the cursor %j, naming the field',
      async (cursor) => {
        await expect(bench.engine.list({ limit: 10, cursor })).rejects.toMatchObject({
          code: 'invalid-request',
          field: 'cursor',
        });
      },
    );
  });
}
