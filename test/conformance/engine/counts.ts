import { describe, expect, test } from 'vitest';
import { defaultRetry } from '../../../src/jobs/retry.js';
import { Bench, boom, minute, type EngineFactory } from './setup.js';

const none = { scheduled: 0, pending: 0, 'in-progress': 0, completed: 0, failed: 0, cancelled: 0 };
const noAttempts = { completed: 0, failed: 0, expired: 0, released: 0, cancelled: 0 };

export function counts(factory: EngineFactory): void {
  describe('counts', () => {
    const bench = new Bench(factory);
    const of = (type: string) => bench.counts(type);
    const known = async (): Promise<string[]> => (await bench.engine.counts()).map(({ type }) => type);

    test('know a type from its first job on, and each type by itself', async () => {
      const type = bench.newType();
      expect(await known()).not.toContain(type);
      await bench.submitMany(3, { type, work: 7 });
      await bench.submit({ work: 100 });
      expect(await of(type)).toEqual({
        type,
        jobs: { ...none, pending: 3 },
        held: 0,
        paused: false,
        pendingWork: 21,
        oldestPendingAt: bench.clock.now(),
        totals: { submitted: 3, attempts: noAttempts, ranMs: 0, work: 0 },
      });
    });

    test('follow each job through its states', async () => {
      const type = bench.newType();
      const jobs = await bench.submitMany(6, { type, work: 2, retry: { ...defaultRetry, attempts: 1 } });
      const leases = await bench.claim({ types: [type], max: 5 });
      const lease = (index: number) => ({ id: leases[index]!.job.id, token: leases[index]!.token });
      await bench.engine.complete({ ...lease(0), result: { inline: 1 }, ranMs: 40 });
      await bench.engine.fail({ ...lease(1), error: boom });
      await bench.engine.fail({ ...lease(2), error: boom, retryInMs: 10 * minute });
      await bench.engine.release(lease(3));
      await bench.engine.cancel({ id: leases[4]!.job.id });
      await bench.engine.cancel({ id: jobs[5]!.id });
      expect(await of(type)).toMatchObject({
        jobs: { scheduled: 1, pending: 1, 'in-progress': 0, completed: 1, failed: 1, cancelled: 2 },
        pendingWork: 2,
        totals: {
          submitted: 6,
          attempts: { completed: 1, failed: 2, expired: 0, released: 1, cancelled: 1 },
          ranMs: 40,
          work: 2,
        },
      });
      await bench.engine.redrive({ id: leases[1]!.job.id });
      expect(await of(type)).toMatchObject({ jobs: { pending: 2, failed: 0 }, pendingWork: 4 });
    });

    test('follow leases that run out', async () => {
      const type = bench.newType();
      await bench.submitMany(2, { type, work: 5, retry: { ...defaultRetry, attempts: 2 } });
      await bench.claim({ types: [type], max: 2, leaseMs: minute });
      expect(await of(type)).toMatchObject({ jobs: { pending: 0, 'in-progress': 2 }, pendingWork: 0 });
      bench.clock.advance(minute);
      await bench.engine.maintain();
      expect(await of(type)).toMatchObject({
        jobs: { pending: 2, 'in-progress': 0 },
        pendingWork: 10,
        oldestPendingAt: bench.clock.now(),
        totals: { attempts: { expired: 2 } },
      });
    });

    test('stay as they are where an operation is refused', async () => {
      const type = bench.newType();
      const { job, token } = await bench.lease({ type });
      const attempt = { id: job.id, token };
      await bench.engine.complete({ ...attempt, result: { inline: 1 }, ranMs: 3 });
      const before = await of(type);
      await bench.engine.complete({ ...attempt, result: { inline: 2 }, ranMs: 3 });
      await bench.engine.fail({ ...attempt, error: boom });
      await bench.engine.release(attempt);
      await bench.engine.cancel({ id: job.id });
      await bench.engine.redrive({ id: job.id });
      const taken = [bench.newJob({ type }), { ...bench.newJob({ type }), id: job.id }];
      await expect(bench.engine.submit({ jobs: taken })).rejects.toThrow();
      expect(await of(type)).toEqual(before);
    });

    test('tell the longest wait, which a retried job at the head of the queue does not hide', async () => {
      const type = bench.newType();
      const start = bench.clock.now();
      const { job, token } = await bench.lease({ type });
      bench.clock.advance(1_000);
      await bench.submit({ type });
      bench.clock.advance(1_000);
      await bench.engine.fail({ id: job.id, token, error: boom, retryInMs: 500 });
      expect(await of(type)).toMatchObject({ oldestPendingAt: start + 1_000 });
      bench.clock.advance(500);
      await bench.engine.maintain();
      expect(await of(type)).toMatchObject({ jobs: { pending: 2 }, oldestPendingAt: start + 1_000 });
      await bench.claim({ types: [type], max: 2 });
      expect(await of(type)).not.toHaveProperty('oldestPendingAt');
    });

    test('do not take the time of an attempt that was handed back for a wait', async () => {
      const type = bench.newType();
      const { id } = await bench.submit({ type });
      bench.clock.advance(300);
      const [lease] = await bench.claim({ types: [type] });
      bench.clock.advance(10_000);
      await bench.engine.release({ id, token: lease!.token });
      expect(await bench.counts(type)).toMatchObject({ oldestPendingAt: bench.clock.now() - 300 });
    });

    test('know nothing of a type whose only submit was refused', async () => {
      const { id } = await bench.submit();
      const type = bench.newType();
      await expect(
        bench.engine.submit({ jobs: [bench.newJob({ type }), bench.newJob({ type, id })] }),
      ).rejects.toThrow();
      expect(await known()).not.toContain(type);
    });

    test('outlive the engine where the jobs do', () =>
      Bench.alone(factory, async (bench) => {
        const [type, start] = [bench.newType(), bench.clock.now()];
        const jobs = await bench.submitMany(3, { type, work: 11 });
        await bench.engine.cancel({ id: jobs[0]!.id });
        await bench.reopen();
        expect(await bench.counts(type)).toMatchObject({
          jobs: { ...none, pending: 2, cancelled: 1 },
          pendingWork: 22,
          oldestPendingAt: start,
        });
      }));
  });
}
