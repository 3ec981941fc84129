import { describe, expect, test } from 'vitest';
import type { Status } from '../../../src/jobs/life-cycle.js';
import { statuses } from '../../../src/jobs/life-cycle.js';
import { Bench, minute, type EngineFactory } from './setup.js';

export function lists(factory: EngineFactory): void {
  describe('lists', () => {
    const bench = new Bench(factory);

    /** All pages of a list, as ids. `between` runs after each page. */
    const pages = async (
      filter: { status?: Status; type?: string },
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
