import { describe, expect, test } from 'vitest';
import { Bench, idsOf, type EngineFactory } from './setup.js';

export function pauses(factory: EngineFactory): void {
  describe('pauses', () => {
    const bench = new Bench(factory);

    test('stop the hand-out of a type, and of no other', async () => {
      const [paused, other] = [bench.newType(), bench.newType()];
      await bench.engine.pause({ type: paused });
      await bench.submitMany(2, { type: paused });
      const free = await bench.submit({ type: other });
      expect(idsOf(await bench.claimNow({ types: [paused, other], max: 5 }))).toEqual([free.id]);
      expect(await bench.claimNow({ types: [paused] })).toEqual([]);
      expect(await bench.counts(paused)).toMatchObject({ jobs: { pending: 2 }, paused: true });
      expect(await bench.counts(other)).toMatchObject({ paused: false });
    });

    test('let go on what runs', async () => {
      const lease = await bench.lease();
      await bench.engine.pause({ type: lease.job.type });
      const own = { id: lease.job.id, token: lease.token };
      expect(await bench.engine.heartbeat({ leases: [own], leaseMs: 60_000 })).toEqual(['applied']);
      await bench.complete(lease);
      expect((await bench.job(own.id)).status).toBe('completed');
    });

    test('keep what comes back to the queue, and what is cancelled there stays away', async () => {
      const lease = await bench.lease();
      const { type } = lease.job;
      const second = await bench.submit({ type });
      await bench.engine.pause({ type });
      await bench.engine.release({ id: lease.job.id, token: lease.token });
      expect(await bench.engine.cancel({ id: second.id })).toBe('applied');
      expect(await bench.claimNow({ types: [type], max: 5 })).toEqual([]);
      await bench.engine.resume({ type });
      expect(idsOf(await bench.claimNow({ types: [type], max: 5 }))).toEqual([lease.job.id]);
    });

    test('end with a resume, which wakes a claim that waits', async () => {
      const { id, type } = await bench.submit();
      await bench.engine.pause({ type });
      const { leases } = await bench.waiting([type]);
      await bench.engine.resume({ type });
      expect(idsOf(await leases)).toEqual([id]);
      expect(await bench.counts(type)).toMatchObject({ paused: false });
    });

    test('are ended by one resume, however often they were begun', async () => {
      const { id, type } = await bench.submit();
      await bench.engine.resume({ type });
      await bench.engine.pause({ type });
      await bench.engine.pause({ type });
      await bench.engine.resume({ type });
      await bench.engine.resume({ type });
      expect(idsOf(await bench.claimNow({ types: [type] }))).toEqual([id]);
    });

    test('are counted for a type that has no job yet', async () => {
      const type = bench.newType();
      await bench.engine.pause({ type });
      expect(await bench.counts(type)).toMatchObject({
        jobs: { pending: 0 },
        paused: true,
        totals: { submitted: 0 },
      });
    });

    test('outlive the engine where its store does', () =>
      Bench.alone(factory, async (bench) => {
        const [paused, resumed] = [await bench.submit(), await bench.submit()];
        for (const { type } of [paused, resumed]) await bench.engine.pause({ type });
        await bench.engine.resume({ type: resumed.type });
        await bench.reopen();
        const types = [paused.type, resumed.type];
        expect(idsOf(await bench.claimNow({ types, max: 5 }))).toEqual([resumed.id]);
        expect(await bench.counts(paused.type)).toMatchObject({ paused: true });
        await bench.engine.resume({ type: paused.type });
        expect(idsOf(await bench.claimNow({ types, max: 5 }))).toEqual([paused.id]);
      }));
  });
}
