import { describe, expect, test } from 'vitest';
import { statuses, type Status } from '../../../src/jobs/life-cycle.js';
import { limits } from '../../../src/jobs/limits.js';
import { Bench, minute, type EngineFactory } from './setup.js';

export function standing(factory: EngineFactory): void {
  describe('standing', () => {
    const bench = new Bench(factory);
    const ahead = async (...jobs: readonly { id: string }[]): Promise<(number | undefined)[]> =>
      Promise.all(jobs.map(async ({ id }) => (await bench.engine.standing({ id }))?.ahead));

    test('counts the jobs of the same type and priority that are handed out before', async () => {
      const type = bench.newType();
      const [first, second, third] = await bench.submitMany(3, { type });
      await bench.submitMany(2); // of other types
      const high = await bench.submit({ type, priority: 'high' });
      const low = await bench.submit({ type, priority: 'low' });
      await bench.submit({ type, runAt: bench.clock.now() + minute });
      const last = await bench.submit({ type });
      expect(await ahead(first!, second!, third!, high, low, last)).toEqual([0, 1, 2, 0, 0, 3]);
      await bench.claim({ types: [type], max: 5 });
      expect(await ahead(last)).toEqual([0]);
    });

    test('gives the job as it is', async () => {
      const { id } = await bench.submit();
      expect(await bench.engine.standing({ id })).toEqual({
        job: await bench.job(id),
        paused: false,
        ahead: 0,
      });
    });

    test('counts nobody before a job that does not wait', async () => {
      for (const status of statuses.filter((status: Status) => status !== 'pending')) {
        const given = { attempts: 3, leaseMs: 1_000 * minute, retryInMs: 1_000 * minute };
        const { id } = await bench.driveTo(status, given);
        expect(await bench.engine.standing({ id })).toMatchObject({ job: { status }, ahead: 0 });
      }
    });

    test('says of a held job how the places of its key are, and who gets one before it', async () => {
      const type = bench.newType();
      const key = { name: 'k', places: 2 };
      const jobs = await bench.submitMany(4, { type, key });
      const high = await bench.submit({ type, key, priority: 'high' });
      const other = await bench.submitMany(3, { type, key: { name: 'other', places: 1 } });
      const places = { taken: 2, places: 2 };
      const stands = (job: { id: string }) => bench.engine.standing({ id: job.id });
      expect(await stands(jobs[0]!)).toMatchObject({ job: { held: false }, ahead: 0, key: places });
      expect(await stands(high)).toMatchObject({ job: { held: true }, ahead: 0, key: places });
      expect(await stands(jobs[2]!)).toMatchObject({ job: { held: true }, ahead: 1, key: places });
      expect(await stands(jobs[3]!)).toMatchObject({ job: { held: true }, ahead: 2, key: places });
      expect(await stands(other[2]!)).toMatchObject({ ahead: 1, key: { taken: 1, places: 1 } });

      const [lease] = await bench.claim({ types: [type], max: 1 });
      expect((await stands(jobs[3]!))?.key).toEqual(places); // what runs has its place still
      await bench.complete(lease!);
      expect(await stands(jobs[2]!)).toMatchObject({ ahead: 0, key: places });
    });

    test('knows more taken places than there are where a submit made them fewer', async () => {
      const type = bench.newType();
      await bench.submitMany(3, { type, key: { name: 'k', places: 3 } });
      const { id } = await bench.submit({ type, key: { name: 'k', places: 1 } });
      expect(await bench.engine.standing({ id })).toMatchObject({ key: { taken: 3, places: 1 } });
    });

    test('leaves held jobs out of what is before a job that is not held', async () => {
      const type = bench.newType();
      await bench.submitMany(5, { type, key: { name: 'k', places: 1 } });
      const last = await bench.submit({ type });
      expect(await ahead(last)).toEqual([1]);
    });

    test('tells that the type is paused', async () => {
      const { id, type } = await bench.submit();
      await bench.engine.pause({ type });
      expect(await bench.engine.standing({ id })).toMatchObject({ paused: true, ahead: 0 });
      await bench.engine.resume({ type });
      expect(await bench.engine.standing({ id })).toMatchObject({ paused: false });
    });

    test('stops counting at the limit', async () => {
      const type = bench.newType();
      for (let waiting = 0; waiting < limits.ahead; waiting += 1_000) {
        await bench.submitMany(1_000, { type });
      }
      const [next, later] = [await bench.submit({ type }), await bench.submit({ type })];
      expect(await ahead(next, later)).toEqual([limits.ahead, limits.ahead]);
    });

    test('is not there for an unknown id', async () => {
      expect(await bench.engine.standing({ id: bench.clock.id() })).toBeUndefined();
    });
  });
}
