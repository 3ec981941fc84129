import { describe, expect, test } from 'vitest';
import type { Job, Lease } from '../../../src/engine/engine.js';
import { priorities, priorityWeights, type Priority } from '../../../src/jobs/priority.js';
import { Bench, idsOf, minute, type EngineFactory } from './setup.js';

const round = priorities.reduce((sum, priority) => sum + priorityWeights[priority], 0);

function inOneRound(leases: readonly Lease[]): Record<Priority, number> {
  const of = (priority: Priority) => leases.filter(({ job }) => job.priority === priority).length;
  return { high: of('high'), normal: of('normal'), low: of('low') };
}

export function order(factory: EngineFactory): void {
  describe('order', () => {
    const bench = new Bench(factory);

    /** As many jobs of each priority as `rounds` rounds can use, the lowest submitted first. */
    const submitAll = async (
      rounds: number,
      typeOf: (priority: Priority) => string,
    ): Promise<Record<Priority, readonly Job[]>> => {
      const submit = (priority: Priority) =>
        bench.submitMany(rounds * round, { type: typeOf(priority), priority });
      return { low: await submit('low'), normal: await submit('normal'), high: await submit('high') };
    };

    const claimOneByOne = async (types: readonly string[], count: number): Promise<Lease[]> => {
      const leases: Lease[] = [];
      while (leases.length < count) leases.push(...(await bench.claim({ types })));
      return leases;
    };

    test('shares one claim of many between the priorities, each of them oldest first', async () => {
      const type = bench.newType();
      const jobs = await submitAll(2, () => type);
      const leases = [
        await bench.claim({ types: [type], max: round }),
        await bench.claim({ types: [type], max: round }),
      ];
      expect(leases.map(inOneRound)).toEqual([priorityWeights, priorityWeights]);
      for (const priority of priorities) {
        const handedOut = idsOf(leases.flat().filter(({ job }) => job.priority === priority));
        expect(handedOut).toEqual(idsOf(jobs[priority]).slice(0, 2 * priorityWeights[priority]));
      }
    });

    test('shares many claims of one between the priorities in the same way', async () => {
      const type = bench.newType();
      const jobs = await submitAll(2, () => type);
      const leases = await claimOneByOne([type], 2 * round);
      expect(inOneRound(leases.slice(0, round))).toEqual(priorityWeights);
      expect(inOneRound(leases.slice(round))).toEqual(priorityWeights);
      const low = idsOf(leases.filter(({ job }) => job.priority === 'low'));
      expect(low).toEqual(idsOf(jobs.low).slice(0, 2));
    });

    test('shares the hand-out across types', async () => {
      const types = [bench.newType(), bench.newType()];
      await submitAll(1, (priority) => types[priority === 'high' ? 0 : 1]!);
      expect(inOneRound(await claimOneByOne(types, round))).toEqual(priorityWeights);
    });

    test('keeps the turns of a type where claims of other types come between', async () => {
      const [mine, other] = [bench.newType(), bench.newType()];
      await submitAll(1, () => mine);
      await bench.submitMany(round, { type: other, priority: 'high' });
      const leases: Lease[] = [];
      for (let turn = 0; turn < round; turn++) {
        await bench.claim({ types: [other] });
        expect(await bench.claimNow({ types: [bench.newType()] })).toEqual([]);
        leases.push(...(await bench.claim({ types: [mine] })));
      }
      expect(inOneRound(leases)).toEqual(priorityWeights);
    });

    test('lets no priority starve, however many higher ones come', async () => {
      const type = bench.newType();
      const low = await bench.submit({ type, priority: 'low' });
      const seen: string[] = [];
      for (let turn = 0; turn < round; turn++) {
        await bench.submit({ type, priority: 'normal' });
        await bench.submit({ type, priority: 'high' });
        seen.push(...idsOf(await bench.claim({ types: [type] })));
      }
      expect(seen).toContain(low.id);
    });

    test('gives the turns of a priority that has nothing to the others', async () => {
      const type = bench.newType();
      const low = await bench.submitMany(5, { type, priority: 'low' });
      expect(idsOf(await bench.claimNow({ types: [type], max: 10 }))).toEqual(idsOf(low));
      const normal = await bench.submitMany(2, { type });
      const late = await bench.submit({ type, priority: 'low' });
      const rest = await bench.claimNow({ types: [type], max: 10 });
      expect(idsOf(rest).toSorted()).toEqual([...idsOf(normal), late.id].toSorted());
    });

    test('lists the leases of a claim in the order of their turns', async () => {
      const type = bench.newType();
      await submitAll(1, () => type);
      const leases = await bench.claim({ types: [type], max: round });
      const firstHalf = inOneRound(leases.slice(0, 10));
      expect(firstHalf.high).toBeGreaterThan(firstHalf.normal + firstHalf.low);
    });
  });

  describe('delays', () => {
    const bench = new Bench(factory);

    test('hold a job back until its moment, and not longer', async () => {
      const runAt = bench.clock.now() + 1_000;
      const { id, type } = await bench.submit({ runAt });
      expect(await bench.job(id)).toMatchObject({ status: 'scheduled', version: 1, runAt, attempt: 0 });
      bench.clock.advance(999);
      expect(await bench.engine.maintain()).toMatchObject({ nextDueInMs: 1 });
      expect(await bench.claimNow({ types: [type] })).toEqual([]);
      bench.clock.advance(1);
      await bench.engine.maintain();
      const due = await bench.job(id);
      expect(due).toMatchObject({ status: 'pending', version: 2 });
      expect(due).not.toHaveProperty('runAt');
      expect(idsOf(await bench.claimNow({ types: [type] }))).toEqual([id]);
    });

    test.each([
      ['now', 0],
      ['in the past', -5 * minute],
    ])('are none where the moment is %s', async (_, fromNow) => {
      const job = await bench.submit({ runAt: bench.clock.now() + fromNow });
      expect(job).toMatchObject({ status: 'pending', version: 1 });
      expect(job).not.toHaveProperty('runAt');
      expect(await bench.job(job.id)).toEqual(job);
      expect(idsOf(await bench.claimNow({ types: [job.type] }))).toEqual([job.id]);
    });

    test('wake a claim that waits, when they are over', async () => {
      const { id, type } = await bench.submit({ runAt: bench.clock.now() + 1_000 });
      const { leases } = await bench.waiting([type]);
      bench.clock.advance(1_000);
      await bench.engine.maintain();
      expect(idsOf(await leases)).toEqual([id]);
    });

    test('do not hold back what was submitted later', async () => {
      const type = bench.newType();
      await bench.submit({ type, priority: 'high', runAt: bench.clock.now() + 1_000 });
      const second = await bench.submit({ type, priority: 'low' });
      expect(idsOf(await bench.claimNow({ types: [type], max: 5 }))).toEqual([second.id]);
    });

    test('count as scheduled, then wait from their moment on', async () => {
      const runAt = bench.clock.now() + 1_000;
      const { type } = await bench.submit({ runAt, work: 5 });
      expect(await bench.counts(type)).toMatchObject({
        jobs: { scheduled: 1, pending: 0 },
        pendingWork: 0,
        totals: { submitted: 1 },
      });
      expect(await bench.counts(type)).not.toHaveProperty('oldestPendingAt');
      bench.clock.advance(1_000);
      await bench.engine.maintain();
      expect(await bench.counts(type)).toMatchObject({
        jobs: { scheduled: 0, pending: 1 },
        pendingWork: 5,
        oldestPendingAt: runAt,
      });
    });
  });
}
