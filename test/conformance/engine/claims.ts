import { describe, expect, test } from 'vitest';
import { Bench, boom, minute, type EngineFactory } from './setup.js';

export function claims(factory: EngineFactory): void {
  describe('claims', () => {
    const bench = new Bench(factory);

    test('hands out the oldest jobs first, across types', async () => {
      const types = [bench.newType(), bench.newType()];
      const ids: string[] = [];
      for (let index = 0; index < 7; index++) {
        ids.push((await bench.submit({ type: types[index % 3 === 0 ? 0 : 1]! })).id);
      }
      const first = await bench.claim({ types, max: 3 });
      const rest = await bench.claim({ types, max: 10 });
      expect(first.map(({ job }) => job.id)).toEqual(ids.slice(0, 3));
      expect(rest.map(({ job }) => job.id)).toEqual(ids.slice(3));
    });

    test('hands out the jobs of one submit in their order', async () => {
      const jobs = await bench.submitMany(50, { type: bench.newType() });
      const leases = await bench.claim({ types: [jobs[0]!.type], max: 50 });
      expect(leases.map(({ job }) => job.id)).toEqual(jobs.map(({ id }) => id));
    });

    test('leaves jobs of other types alone', async () => {
      const other = await bench.submit();
      const mine = await bench.submit();
      const leases = await bench.claim({ types: [mine.type], max: 10 });
      expect(leases.map(({ job }) => job.id)).toEqual([mine.id]);
      expect((await bench.job(other.id)).status).toBe('pending');
    });

    test('gives the lease all that an attempt needs', async () => {
      const input = { inline: { text: 'in' } };
      const { job } = await bench.lease({ input });
      expect(job).toMatchObject({
        status: 'in-progress',
        attempt: 1,
        worker: 'worker-1',
        input,
        startedAt: bench.clock.now(),
      });
      expect(job).toEqual(await bench.job(job.id));
    });

    test('never gives a job to two claimers', async () => {
      const type = bench.newType();
      await bench.submitMany(30, { type });
      const leases = await Promise.all(
        Array.from({ length: 10 }, () => bench.claim({ types: [type], max: 3 })),
      );
      expect(new Set(leases.flat().map(({ job }) => job.id)).size).toBe(30);
    });

    test('is woken by a submit', async () => {
      const type = bench.newType();
      const { leases } = await bench.waiting([bench.newType(), type]);
      const { id } = await bench.submit({ type });
      expect((await leases).map(({ job }) => job.id)).toEqual([id]);
    });

    test('is woken by a release', async () => {
      const { job, token } = await bench.lease();
      const { leases } = await bench.waiting([job.type]);
      await bench.engine.release({ id: job.id, token });
      expect((await leases).map((lease) => lease.job.id)).toEqual([job.id]);
    });

    test('is woken by a redrive', async () => {
      const { job, token } = await bench.lease();
      await bench.engine.fail({ id: job.id, token, error: boom });
      const { leases } = await bench.waiting([job.type]);
      await bench.engine.redrive({ id: job.id });
      expect((await leases).map((lease) => lease.job.id)).toEqual([job.id]);
    });

    test('is woken by a job that falls due', async () => {
      const { job, token } = await bench.lease();
      await bench.engine.fail({ id: job.id, token, error: boom, retryInMs: 1_000 });
      const { leases } = await bench.waiting([job.type]);
      bench.clock.advance(1_000);
      await bench.engine.maintain();
      expect((await leases).map((lease) => lease.job.id)).toEqual([job.id]);
    });

    test('is woken by a lease that expires', async () => {
      const { job } = await bench.lease({ leaseMs: 1_000 });
      const { leases } = await bench.waiting([job.type]);
      bench.clock.advance(1_000);
      await bench.engine.maintain();
      expect((await leases).map((lease) => lease.job.attempt)).toEqual([2]);
    });

    test('misses no wake-up when calls of all kinds come at once', async () => {
      const type = bench.newType();
      const seen = new Set<string>();
      const consume = async (): Promise<void> => {
        while (seen.size < 200) {
          const aborter = new AbortController();
          aborters.add(aborter);
          const leases = await bench.engine.claim({
            worker: 'w',
            types: [type],
            max: 3,
            leaseMs: minute,
            signal: aborter.signal,
          });
          aborters.delete(aborter);
          await Promise.all(
            leases.map(async ({ job, token }) => {
              // Every third job is handed back once, which must wake a claimer too.
              if (job.version === 2 && Number.parseInt(job.id.slice(-4), 16) % 3 === 0) {
                await bench.engine.release({ id: job.id, token });
                return;
              }
              await bench.engine.complete({ id: job.id, token, result: { inline: null } });
              seen.add(job.id);
            }),
          );
        }
        for (const aborter of aborters) aborter.abort();
      };
      const aborters = new Set<AbortController>();
      const consumers = Array.from({ length: 5 }, consume);
      await Promise.all(Array.from({ length: 100 }, () => bench.submitMany(2, { type })));
      await Promise.all(consumers);
      expect(seen.size).toBe(200);
    });

    test('serves the claim that waited longest', async () => {
      const type = bench.newType();
      const first = await bench.waiting([type]);
      const second = await bench.waiting([type]);
      const one = await bench.submit({ type });
      const two = await bench.submit({ type });
      expect((await first.leases)[0]!.job.id).toBe(one.id);
      expect((await second.leases)[0]!.job.id).toBe(two.id);
    });

    test('gives nothing to a claim that was aborted, and its job to the next', async () => {
      const type = bench.newType();
      const aborted = await bench.waiting([type]);
      const patient = await bench.waiting([type]);
      aborted.abort();
      expect(await aborted.leases).toEqual([]);
      const { id } = await bench.submit({ type });
      expect((await patient.leases).map(({ job }) => job.id)).toEqual([id]);
    });

    test('answers at once where the signal was aborted before', async () => {
      const { type } = await bench.submit();
      const leases = await bench.engine.claim({
        worker: 'w',
        types: [type],
        max: 1,
        leaseMs: minute,
        signal: AbortSignal.abort(),
      });
      expect(leases).toEqual([]);
    });
  });
}
