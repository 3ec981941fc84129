import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { TypeCounts } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import type { ScalingPolicy } from '../jobs/scaling.js';
import { Autoscaler, stabilisationMs, stabilise, type Wish } from './autoscaler.js';

const policy: ScalingPolicy = { slotsPerWorker: 1, utilisation: 0.8, drainTarget: 5, slo: 1, min: 1, max: 8 };

const counted = (pending: number, submitted = pending): TypeCounts => ({
  type: 'sum',
  jobs: { scheduled: 0, pending, 'in-progress': 0, completed: 0, failed: 0, cancelled: 0 },
  held: 0,
  paused: false,
  pendingWork: pending,
  totals: {
    submitted,
    attempts: { completed: 0, failed: 0, expired: 0, released: 0, cancelled: 0 },
    ranMs: 0,
    work: 0,
  },
});

/** An autoscaler over a store and a pool that the test holds in its hand. */
function harness(given: Partial<ScalingPolicy> = {}) {
  const clock = new ManualClock(Date.parse('2030-01-01T00:00:00.000Z'));
  let answer: () => readonly TypeCounts[] | Promise<readonly TypeCounts[]> = () => [];
  let asked = 0;
  const pool = { size: 1, busyOnes: 0, refusal: undefined as Error | undefined };
  const resized: number[] = [];
  const warnings: unknown[] = [];
  const infos: string[] = [];
  const autoscaler = new Autoscaler({
    clock,
    policy: { ...policy, ...given },
    engine: {
      counts: async () => {
        asked += 1;
        return await answer();
      },
    },
    pool: {
      current: () => pool.size,
      busy: () => pool.busyOnes,
      resize: (size) => {
        if (pool.refusal) throw pool.refusal;
        resized.push(size);
        pool.size = size;
      },
    },
    log: {
      info: (message) => infos.push(message),
      warn: (_, details) => warnings.push(details?.['reason']),
    },
  });
  onTestFinished(() => autoscaler.stop());
  /** Between two timers everything is microtasks, and all of those come before the next immediate. */
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    autoscaler,
    clock,
    pool,
    resized,
    warnings,
    infos,
    settled,
    asked: () => asked,
    /** What the store answers from now on. */
    store: (next: typeof answer) => (answer = next),
    start: async () => {
      autoscaler.start();
      await settled();
    },
    seconds: async (count: number) => {
      for (let i = 0; i < count; i++) {
        clock.advance(1_000);
        await settled();
      }
    },
  };
}

/** An answer that the store still owes. */
function owedAnswer() {
  let resolve!: (counts: readonly TypeCounts[]) => void;
  const promise = new Promise<readonly TypeCounts[]>((give) => (resolve = give));
  return { promise, resolve };
}

const away = () => {
  throw new DrayError('unavailable', 'the store is away');
};

describe('the autoscaler', () => {
  it('reads the counts at once and then every second', async () => {
    const { start, seconds, asked } = harness();
    await start();
    expect(asked()).toBe(1);
    await seconds(3);
    expect(asked()).toBe(4);
  });

  it('starts executors for a burst within a second', async () => {
    const { start, seconds, store, resized, autoscaler } = harness();
    await start();
    store(() => [counted(1_000)]);
    await seconds(1);
    expect(resized).toEqual([1, 8]);
    expect(autoscaler.plan()).toMatchObject({
      kind: 'known',
      desired: 8,
      snapshot: {
        arrivalRate: expect.closeTo(1_000, 6) as number,
        backlogJobs: 1_000,
        backlogSeconds: 1_000,
        currentWorkers: 1,
      },
    });
  });

  it('stops executors when none of the last 30 s wanted them, and publishes the rule itself meanwhile', async () => {
    const { start, seconds, store, pool, resized, autoscaler } = harness();
    await start();
    store(() => [counted(16, 0)]); // 16 s of work within 5 s: 4 of them
    await seconds(1);
    expect(pool.size).toBe(4);
    store(() => [counted(0)]);
    await seconds(29);
    expect(pool.size).toBe(4);
    expect(autoscaler.plan()).toMatchObject({ desired: 1, snapshot: { currentWorkers: 4 } });
    await seconds(1);
    expect(pool.size).toBe(1);
    expect(new Set(resized)).toEqual(new Set([1, 4]));
  });

  it('keeps executors that are busy', async () => {
    const { start, seconds, pool } = harness();
    Object.assign(pool, { size: 6, busyOnes: 3 });
    await start();
    await seconds(60);
    expect(pool.size).toBe(3);
  });

  it('adds one after the other while a job is late, although its cost is small', async () => {
    const { start, seconds, store, clock, pool } = harness();
    const oldestPendingAt = clock.now() - 1_001;
    store(() => [{ ...counted(1, 0), oldestPendingAt }]);
    await start();
    expect(pool.size).toBe(2);
    await seconds(3);
    expect(pool.size).toBe(5);
  });

  it('does not stop executors at its start for want of a past', async () => {
    const { start, seconds, pool } = harness();
    pool.size = 5;
    await start();
    await seconds(29);
    expect(pool.size).toBe(5);
    await seconds(1);
    expect(pool.size).toBe(1);
  });

  it('leaves the pool as it is while the store does not answer, and warns once', async () => {
    const { start, seconds, store, pool, resized, warnings, infos } = harness();
    store(() => [counted(16, 0)]);
    await start();
    store(away);
    await seconds(100);
    expect(resized).toEqual([4]);
    expect(warnings).toEqual(['the store is away']);
    store(() => []);
    await seconds(29);
    expect(pool.size).toBe(4);
    await seconds(1);
    expect(pool.size).toBe(1);
    expect(infos).toContain('the number of executors follows the load again');
    store(away);
    await seconds(2);
    expect(warnings).toHaveLength(2);
  });

  it('does not ask again while the store owes an answer', async () => {
    const { start, seconds, store, settled, asked, resized } = harness();
    const owed = owedAnswer();
    store(() => owed.promise);
    await start();
    await seconds(5);
    expect(asked()).toBe(1);
    owed.resolve([counted(1_000)]);
    await settled();
    expect(resized).toEqual([8]);
    await seconds(1);
    expect(asked()).toBe(2);
  });

  it('goes on after a pool that could not be resized', async () => {
    const { start, seconds, pool, autoscaler, warnings } = harness();
    pool.refusal = new Error('no more processes');
    await start();
    expect(warnings).toEqual(['no more processes']);
    expect(autoscaler.plan().kind).toBe('known');
    pool.refusal = undefined;
    pool.busyOnes = 6;
    await seconds(1);
    expect(pool.size).toBe(6);
  });
});

describe('the plan of the autoscaler', () => {
  it('is unknown before the first reading', async () => {
    const { autoscaler, start, store, settled } = harness();
    const unmeasured = { kind: 'unknown', reason: 'the load has not been measured yet' };
    expect(autoscaler.plan()).toEqual(unmeasured);
    const owed = owedAnswer();
    store(() => owed.promise);
    await start();
    expect(autoscaler.plan()).toEqual(unmeasured);
    owed.resolve([]);
    await settled();
    expect(autoscaler.plan().kind).toBe('known');
  });

  it('says why where there never was a reading', async () => {
    const { autoscaler, start, store } = harness();
    store(away);
    await start();
    expect(autoscaler.plan()).toEqual({
      kind: 'unknown',
      reason: 'the load has not been measured yet: the store is away',
    });
  });

  it('outlives 15 s without a reading, then says since when it is unknown and why', async () => {
    const { autoscaler, start, seconds, store } = harness();
    await start();
    store(away);
    await seconds(15);
    expect(autoscaler.plan().kind).toBe('known');
    await seconds(1);
    expect(autoscaler.plan()).toEqual({
      kind: 'unknown',
      reason: 'the load was last measured at 2030-01-01T00:00:00.000Z: the store is away',
    });
    store(() => []);
    await seconds(1);
    expect(autoscaler.plan().kind).toBe('known');
  });

  it('is unknown where the store owes its answer for so long', async () => {
    const { autoscaler, start, seconds, store, settled } = harness();
    await start();
    const owed = owedAnswer();
    store(() => owed.promise);
    await seconds(17);
    expect(autoscaler.plan()).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('the store does not answer') as string,
    });
    owed.resolve([]);
    await settled();
    expect(autoscaler.plan().kind).toBe('known');
  });

  it('is not made of counts that cannot be, which are not taken in', async () => {
    const { autoscaler, start, seconds, store, resized, warnings } = harness();
    store(() => [counted(1_000, NaN)]);
    await start();
    await seconds(20);
    expect(resized).toEqual([]);
    expect(autoscaler.plan()).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('arrivalRate') as string,
    });
    expect(warnings).toHaveLength(1);
    store(() => [counted(0, 5)]);
    await seconds(1);
    expect(autoscaler.plan()).toMatchObject({ kind: 'known', desired: 1 });
  });
});

describe('starting and stopping the autoscaler', () => {
  it('can be said twice', async () => {
    const { autoscaler, start, seconds, asked } = harness();
    await start();
    await start();
    await seconds(2);
    expect(asked()).toBe(3);
    await Promise.all([autoscaler.stop(), autoscaler.stop()]);
    await autoscaler.stop();
    await seconds(5);
    expect(asked()).toBe(3);
  });

  it('waits for the reading in flight, which changes nothing any more', async () => {
    const { autoscaler, start, store, seconds, settled, asked, resized } = harness();
    const owed = owedAnswer();
    store(() => owed.promise);
    await start();
    let stopped = false;
    const stopping = autoscaler.stop().then(() => (stopped = true));
    await settled();
    expect(stopped).toBe(false);
    owed.resolve([counted(1_000)]);
    await stopping;
    await seconds(3);
    expect(resized).toEqual([]);
    expect(asked()).toBe(1);
  });

  it('goes on where it was started again before it had stopped', async () => {
    const { autoscaler, start, store, seconds, asked, resized } = harness();
    const owed = owedAnswer();
    store(() => owed.promise);
    await start();
    const stopping = autoscaler.stop();
    autoscaler.start();
    owed.resolve([]);
    await stopping;
    store(() => []);
    await seconds(2);
    expect(asked()).toBe(3);
    expect(resized).toEqual([1, 1, 1]);
  });
});

describe('stabilising', () => {
  const run = (...sizes: [at: number, size: number][]) =>
    sizes.reduce<readonly Wish[]>((wishes, [at, size]) => stabilise(wishes, { at, size }), []);

  it.each<[string, [number, number][], number]>([
    ['grows at once', [[0, 1], [1, 8]], 8],
    ['holds a lull', [[0, 8], [29_999, 1]], 8],
    ['gives in after 30 s', [[0, 8], [30_000, 1]], 1],
    ['goes down to the largest since', [[0, 8], [10_000, 3], [20_000, 5], [30_000, 1]], 5],
    ['and from there further', [[0, 8], [10_000, 3], [20_000, 5], [50_000, 1]], 1],
    ['forgets nothing by a small wish in between', [[0, 4], [1, 0], [2, 4], [30_001, 0]], 4],
  ])('%s', (_, sizes, size) => {
    expect(run(...sizes)[0]).toMatchObject({ size });
  }); // prettier-ignore

  it('gives the largest wish of the last 30 s, and keeps no more than it needs', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 0, max: 9 })), {
      minLength: 1,
      maxLength: 100,
      size: 'max',
    });
    fc.assert(
      fc.property(steps, (gaps) => {
        let at = 0;
        const all = gaps.map(([gap, size]): Wish => ({ at: (at += gap), size }));
        const kept = all.reduce<readonly Wish[]>(stabilise, []);
        const recent = all.filter((wish) => wish.at > at - stabilisationMs);
        expect(kept[0]!.size).toBe(Math.max(...recent.map(({ size }) => size)));
        expect(kept.length).toBeLessThanOrEqual(10);
      }),
    );
  });
});
