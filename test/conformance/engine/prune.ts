import { describe, expect, test } from 'vitest';
import type { NewJob } from '../../../src/engine/engine.js';
import { Bench, boom, idsOf, minute, type EngineFactory } from './setup.js';

export function prune(factory: EngineFactory): void {
  describe('pruning', () => {
    /** What is pruned is a matter of the whole store, so each test has one of its own. */
    const alone = (run: (bench: Bench) => Promise<void>) => () => Bench.alone(factory, run);

    /** Jobs that end one after the other, a second apart. */
    const finish = async (bench: Bench, count: number, given: Partial<NewJob> = {}): Promise<string[]> => {
      const ids: string[] = [];
      for (let index = 0; index < count; index++) {
        const { id } = await bench.submit(given);
        bench.clock.advance(1_000);
        await bench.engine.cancel({ id });
        ids.push(id);
      }
      return ids;
    };
    const left = async (bench: Bench): Promise<string[]> =>
      idsOf((await bench.engine.list({ limit: 1_000 })).jobs).reverse();
    const all = { keep: Infinity, limit: 1_000 };
    const newBlobs = (bench: Bench, count: number): string[] =>
      Array.from({ length: count }, () => bench.clock.id());

    test(
      'removes what ended before a moment, and nothing else',
      alone(async (bench) => {
        const start = bench.clock.now();
        const ids = await finish(bench, 5);
        const answer = await bench.engine.prune({ ...all, before: start + 3_000 });
        expect(answer).toEqual({ removed: 2, blobs: [], more: false });
        expect(await left(bench)).toEqual(ids.slice(2));
        expect(await bench.engine.get({ id: ids[0]! })).toBeUndefined();
        expect(await bench.engine.standing({ id: ids[0]! })).toBeUndefined();
        expect(await bench.engine.cancel({ id: ids[0]! })).toBe('not-found');
        expect(await bench.engine.prune({ ...all, before: start + 3_000 })).toMatchObject({ removed: 0 });
      }),
    );

    test(
      'removes the oldest finished jobs where there are more than are kept',
      alone(async (bench) => {
        const ids = await finish(bench, 5);
        const answer = await bench.engine.prune({ before: 0, keep: 3, limit: 100 });
        expect(answer).toEqual({ removed: 2, blobs: [], more: false });
        expect(await left(bench)).toEqual(ids.slice(2));
        expect(await bench.engine.prune({ before: 0, keep: 3, limit: 100 })).toMatchObject({ removed: 0 });
      }),
    );

    test(
      'goes by the end of a job, not by its submission',
      alone(async (bench) => {
        const early = await bench.submit();
        const ids = await finish(bench, 2);
        bench.clock.advance(1_000);
        await bench.engine.cancel({ id: early.id });
        const late = await finish(bench, 1);
        await bench.engine.prune({ before: 0, keep: 2, limit: 100 });
        expect(await left(bench)).toEqual([early.id, ...late]);
        expect(await bench.engine.get({ id: ids[0]! })).toBeUndefined();
      }),
    );

    test(
      'takes whichever bound removes more',
      alone(async (bench) => {
        const start = bench.clock.now();
        const ids = await finish(bench, 6);
        await bench.engine.prune({ before: start + 2_000, keep: 3, limit: 100 });
        expect(await left(bench)).toEqual(ids.slice(3));
        await bench.engine.prune({ before: start + 6_000, keep: 3, limit: 100 });
        expect(await left(bench)).toEqual(ids.slice(5));
      }),
    );

    test(
      'goes in steps of the limit, the oldest first, and says whether there is more',
      alone(async (bench) => {
        const ids = await finish(bench, 5);
        const step = () => bench.engine.prune({ before: bench.clock.now() + 1, keep: 0, limit: 2 });
        expect(await step()).toMatchObject({ removed: 2, more: true });
        expect(await left(bench)).toEqual(ids.slice(2));
        expect(await step()).toMatchObject({ removed: 2, more: true });
        expect(await step()).toMatchObject({ removed: 1, more: false });
        expect(await left(bench)).toEqual([]);
      }),
    );

    test(
      'never removes a job that is not finished, nor counts it among those to keep',
      alone(async (bench) => {
        const given = { attempts: 3, leaseMs: 1_000 * minute, retryInMs: 1_000 * minute };
        const statuses = ['scheduled', 'pending', 'in-progress', 'completed', 'failed', 'cancelled'] as const;
        const ids: string[] = [];
        for (const status of statuses) ids.push((await bench.driveTo(status, given)).id);
        const held = await bench.submitMany(2, { key: { name: 'k', places: 1 }, type: bench.newType() });
        bench.clock.advance(10 * minute);
        expect(await bench.engine.prune({ before: 0, keep: 3, limit: 100 })).toMatchObject({ removed: 0 });
        const answer = await bench.engine.prune({ before: bench.clock.now() + 1, keep: 0, limit: 100 });
        expect(answer).toMatchObject({ removed: 3, more: false });
        expect(await left(bench)).toEqual([...ids.slice(0, 3), ...idsOf(held)]);
      }),
    );

    test(
      'gives back the blobs that lost their last user, once each',
      alone(async (bench) => {
        const [own, shared, kept, never] = newBlobs(bench, 4) as [string, string, string, string];
        await finish(bench, 1, { blobs: [own, shared] });
        await finish(bench, 1, { blobs: [shared, kept, shared] });
        const waiting = await bench.submit({ blobs: [kept] });
        expect(await bench.engine.unusedBlobs({ blobs: [own, shared, kept, never] })).toEqual([never]);

        const first = await bench.engine.prune({ before: 0, keep: 1, limit: 100 });
        expect(first).toMatchObject({ removed: 1, blobs: [own] });
        const second = await bench.engine.prune({ before: 0, keep: 0, limit: 100 });
        expect(second).toMatchObject({ removed: 1, blobs: [shared] });
        expect(await bench.engine.unusedBlobs({ blobs: [own, shared, kept, never] })).toEqual([
          own,
          shared,
          never,
        ]);
        await bench.engine.cancel({ id: waiting.id });
        const third = await bench.engine.prune({ before: 0, keep: 0, limit: 100 });
        expect(third).toMatchObject({ removed: 1, blobs: [kept] });
      }),
    );

    test(
      'gives back a blob of several jobs when all of them go at once',
      alone(async (bench) => {
        const [shared] = newBlobs(bench, 1);
        await finish(bench, 3, { blobs: [shared!] });
        const answer = await bench.engine.prune({ before: 0, keep: 0, limit: 100 });
        expect(answer).toEqual({ removed: 3, blobs: [shared], more: false });
      }),
    );

    test(
      'keeps the blobs of a result as long as the job, and none that a refused completion named',
      alone(async (bench) => {
        const [input, result, refused] = newBlobs(bench, 3) as [string, string, string];
        const { job, token } = await bench.lease({ blobs: [input] });
        const complete = (token: string, blob: string) =>
          bench.engine.complete({ id: job.id, token, result: { blob }, blobs: [blob] });
        expect(await complete('not the token', refused)).toBe('stale');
        expect(await complete(token, result)).toBe('applied');
        expect(await bench.engine.unusedBlobs({ blobs: [input, result, refused] })).toEqual([refused]);
        const { blobs } = await bench.engine.prune({ before: 0, keep: 0, limit: 100 });
        expect(blobs.toSorted()).toEqual([input, result].toSorted());
      }),
    );

    test(
      'keeps the blobs that an error names as long as the job, also where it runs again',
      alone(async (bench) => {
        const [input, first, second, refused] = newBlobs(bench, 4) as [string, string, string, string];
        const { job, token } = await bench.lease({ blobs: [input] });
        const { id, type } = job;
        const fail = (token: string, blob: string, again?: { retryInMs: number }) =>
          bench.engine.fail({ id, token, error: { ...boom, details: { blob } }, blobs: [blob], ...again });
        expect(await fail('not the token', refused)).toBe('stale');
        expect(await fail(token, first, { retryInMs: 0 })).toBe('applied');
        await bench.engine.maintain();
        const [again] = await bench.claim({ types: [type] });
        expect(await fail(again!.token, second)).toBe('applied');
        expect(await bench.engine.unusedBlobs({ blobs: [input, first, second, refused] })).toEqual([refused]);
        const { blobs } = await bench.engine.prune({ before: 0, keep: 0, limit: 100 });
        expect(blobs.toSorted()).toEqual([input, first, second].toSorted());
      }),
    );

    test(
      'keeps the blobs that hold an input or a result, also where nobody named them',
      alone(async (bench) => {
        const [input, result] = newBlobs(bench, 2) as [string, string];
        const { job, token } = await bench.lease({ input: { blob: input } });
        expect(await bench.engine.unusedBlobs({ blobs: [input, result] })).toEqual([result]);
        await bench.engine.complete({ id: job.id, token, result: { blob: result } });
        expect(await bench.engine.unusedBlobs({ blobs: [input, result] })).toEqual([]);
        const { blobs } = await bench.engine.prune({ before: 0, keep: 0, limit: 100 });
        expect(blobs.toSorted()).toEqual([input, result].toSorted());
      }),
    );

    test(
      'keeps the blobs of a job that was re-driven',
      alone(async (bench) => {
        const [blob] = newBlobs(bench, 1);
        const { id } = await bench.driveTo('failed', { attempts: 3, leaseMs: minute, retryInMs: minute });
        await finish(bench, 1, { blobs: [blob!] });
        const { job, token } = await bench.lease({ blobs: [blob!] });
        await bench.engine.fail({
          id: job.id,
          token,
          error: { code: 'x', message: 'x', permanent: true },
        });
        await bench.engine.redrive({ id: job.id });
        const answer = await bench.engine.prune({ before: 0, keep: 0, limit: 100 });
        expect(answer).toEqual({ removed: 2, blobs: [], more: false });
        expect(await bench.engine.get({ id })).toBeUndefined();
        expect(await bench.engine.unusedBlobs({ blobs: [blob!] })).toEqual([]);
      }),
    );

    test(
      'takes what it removes out of the counts and out of every list',
      alone(async (bench) => {
        const type = bench.newType();
        const labels = { run: 'x' };
        await finish(bench, 3, { type, labels });
        const lease = await bench.lease({ type, labels, work: 5 });
        await bench.complete(lease);
        const waiting = await bench.submit({ type, labels, work: 7 });
        await bench.engine.prune({ before: 0, keep: 1, limit: 100 });
        expect(await bench.counts(type)).toMatchObject({
          jobs: { pending: 1, 'in-progress': 0, completed: 1, cancelled: 0 },
          pendingWork: 7,
          totals: { submitted: 5, attempts: { completed: 1 }, work: 5 },
        });
        const found = async (filter: object) =>
          idsOf((await bench.engine.list({ ...filter, limit: 10 })).jobs);
        const label = { name: 'run', value: 'x' };
        expect(await found({ status: 'cancelled' })).toEqual([]);
        expect(await found({ type, status: 'cancelled' })).toEqual([]);
        expect(await found({ label })).toEqual([waiting.id, lease.job.id]);
        expect(await found({ type, label })).toEqual([waiting.id, lease.job.id]);
      }),
    );

    test(
      'lasts',
      alone(async (bench) => {
        const [blob] = newBlobs(bench, 1);
        const ids = await finish(bench, 2, { blobs: [blob!] });
        await bench.engine.prune({ before: 0, keep: 1, limit: 100 });
        await bench.reopen();
        expect(await left(bench)).toEqual([ids[1]]);
        expect(await bench.engine.unusedBlobs({ blobs: [blob!] })).toEqual([]);
        expect(await bench.engine.prune({ before: 0, keep: 0, limit: 100 })).toMatchObject({ blobs: [blob] });
      }),
    );

    test(
      'leaves a list that is being read without gap or overlap',
      alone(async (bench) => {
        const ids = await finish(bench, 6);
        const first = await bench.engine.list({ limit: 2 });
        await bench.engine.prune({ before: 0, keep: 5, limit: 100 });
        const rest = await bench.engine.list({ limit: 10, cursor: first.nextCursor! });
        expect(idsOf([...first.jobs, ...rest.jobs])).toEqual(ids.slice(1).reverse());
      }),
    );
  });
}
