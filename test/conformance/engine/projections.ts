import { describe, expect, test } from 'vitest';
import type { Status } from '../../../src/jobs/life-cycle.js';
import { Bench, boom, idsOf, minute, type EngineFactory } from './setup.js';

export function projections(factory: EngineFactory): void {
  describe('projections', () => {
    /** Ends that are to be told are a matter of the whole store, so each test has one of its own. */
    const alone = (run: (bench: Bench) => Promise<void>) => () => Bench.alone(factory, run);
    const untold = (bench: Bench, limit = 100) => bench.engine.projections({ limit });
    const untoldIds = async (bench: Bench) => (await untold(bench)).map(({ id }) => id);

    /** Jobs that ended one after the other, a second apart. */
    const ended = async (bench: Bench, count: number): Promise<string[]> => {
      const jobs = await bench.submitMany(count, { projection: 'name:the rest' });
      for (const { id } of jobs.toReversed()) {
        bench.clock.advance(1_000);
        await bench.engine.cancel({ id });
      }
      return idsOf(jobs).reverse();
    };

    test.each(['completed', 'failed', 'cancelled'] as const)(
      'keep the end of a job that is %s until it is told',
      (status: Status) =>
        Bench.alone(factory, async (bench) => {
          const { job, token } = await bench.lease({ projection: 'name:a:b' });
          await bench.lease(); // one that nobody asked to be told of
          expect(await untold(bench)).toEqual([]);
          const end = { id: job.id, token };
          if (status === 'completed') await bench.engine.complete({ ...end, result: { inline: 1 } });
          if (status === 'failed') await bench.engine.fail({ ...end, error: boom });
          if (status === 'cancelled') await bench.engine.cancel(end);
          const found = await untold(bench);
          expect(found).toMatchObject([{ id: job.id, projection: 'name:a:b' }]);
          await bench.reopen();
          expect(await untold(bench)).toEqual(found);
          await bench.engine.projected({ ends: found });
          await bench.engine.projected({ ends: found }); // twice is harmless
          expect(await untold(bench)).toEqual([]);
        }),
    );

    test(
      'keep the end of a job whose last lease ran out, and none of one that goes on',
      alone(async (bench) => {
        const given = {
          projection: 'name',
          leaseMs: 1_000,
          retry: { attempts: 1, baseMs: 0, factor: 1, capMs: 0 },
        };
        const dead = await bench.lease(given);
        await bench.lease({ ...given, retry: { ...given.retry, attempts: 2 } });
        const again = await bench.lease({ projection: 'name' });
        await bench.engine.fail({ id: again.job.id, token: again.token, error: boom, retryInMs: minute });
        bench.clock.advance(2_000);
        await bench.engine.maintain();
        expect(await untoldIds(bench)).toEqual([dead.job.id]);
      }),
    );

    test(
      'give the oldest ends first, as many as are asked for',
      alone(async (bench) => {
        const ids = await ended(bench, 4);
        expect((await untold(bench, 3)).map(({ id }) => id)).toEqual(ids.slice(0, 3));
        expect(await untoldIds(bench)).toEqual(ids);
      }),
    );

    test(
      'let those go first that were not put off',
      alone(async (bench) => {
        const [first, second, third] = (await ended(bench, 3)) as [string, string, string];
        const [one, two] = await untold(bench);
        await bench.engine.projected({
          ends: [
            { mark: one!.mark, againInMs: 5_000 },
            { mark: two!.mark, againInMs: 2_000 },
          ],
        });
        expect(await untoldIds(bench)).toEqual([third]);
        bench.clock.advance(2_000);
        expect((await untoldIds(bench)).toSorted()).toEqual([second, third].toSorted());
        bench.clock.advance(3_000);
        expect((await untoldIds(bench)).toSorted()).toEqual([first, second, third].toSorted());
      }),
    );

    test(
      'do not bring back what was told',
      alone(async (bench) => {
        const [id] = await ended(bench, 1);
        const [end] = await untold(bench);
        await bench.engine.projected({ ends: [end!] });
        await bench.engine.projected({ ends: [{ mark: end!.mark, againInMs: 0 }] });
        expect(await untold(bench)).toEqual([]);
        await bench.engine.prune({ before: 0, keep: 0, limit: 10 });
        await bench.engine.projected({ ends: [end!, { mark: end!.mark, againInMs: 0 }] });
        expect(await untold(bench)).toEqual([]);
        expect(await bench.engine.get({ id: id! })).toBeUndefined();
      }),
    );

    test(
      'tell of each end of a job that is re-driven',
      alone(async (bench) => {
        const { job, token } = await bench.lease({ projection: 'name' });
        const { id, type } = job;
        await bench.engine.fail({ id, token, error: boom });
        const [first] = await untold(bench);
        await bench.engine.redrive({ id });
        expect(await untold(bench)).toEqual([]);
        const [lease] = await bench.claim({ types: [type] });
        await bench.engine.fail({ id, token: lease!.token, error: boom });
        await bench.engine.projected({ ends: [first!] }); // of the end before
        const [second] = await untold(bench);
        expect(second).toMatchObject({ id });
        await bench.engine.projected({ ends: [second!] });
        await bench.engine.redrive({ id });
        await bench.engine.cancel({ id });
        expect(await untoldIds(bench)).toEqual([id]);
      }),
    );

    test(
      'go with their job',
      alone(async (bench) => {
        await ended(bench, 2);
        await bench.engine.prune({ before: 0, keep: 0, limit: 10 });
        expect(await untold(bench)).toEqual([]);
      }),
    );
  });
}
