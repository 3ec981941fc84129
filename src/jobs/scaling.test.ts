import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decidedBy, planScale, type ScalingPolicy, type ScalingSnapshot } from './scaling.js';

const policy: ScalingPolicy = {
  slotsPerWorker: 1,
  utilisation: 0.8,
  drainTarget: 60,
  slo: 300,
  min: 1,
  max: 10,
};
const idle: ScalingSnapshot = {
  arrivalRate: 0,
  serviceTime: 0,
  backlogJobs: 0,
  backlogSeconds: 0,
  oldestAge: 0,
  busyWorkers: 0,
  currentWorkers: 0,
};

const known = (snapshot: ScalingSnapshot, wanted: ScalingPolicy = policy) => {
  const plan = planScale(snapshot, wanted);
  if (plan.kind === 'unknown') throw new Error(`unknown: ${plan.reason}`);
  return plan;
};
const decider = (snapshot: ScalingSnapshot, wanted: ScalingPolicy = policy) => {
  const { need, snapshot: measured, policy: given } = known(snapshot, wanted);
  return decidedBy({ need, ...measured, ...given });
};

/** Amounts so small that a quotient of them underflows are left out: nothing measures them. */
const amount = (max: number) =>
  fc.double({ min: 0, max, noNaN: true }).map((value) => (value < 1e-12 ? 0 : value));
const workers = fc.integer({ min: 0, max: 1_000 });
const snapshots: fc.Arbitrary<ScalingSnapshot> = fc.record({
  arrivalRate: fc.oneof(amount(10), amount(1e6)),
  serviceTime: fc.oneof(amount(10), amount(1e5)),
  backlogJobs: fc.integer({ min: 0, max: 1_000_000 }),
  backlogSeconds: fc.oneof(amount(1_000), amount(1e7)),
  oldestAge: amount(10_000),
  busyWorkers: workers,
  currentWorkers: workers,
});
const policies: fc.Arbitrary<ScalingPolicy> = fc
  .record({
    slotsPerWorker: fc.integer({ min: 1, max: 64 }),
    utilisation: fc.double({ min: 0.01, max: 1, noNaN: true }),
    drainTarget: fc.double({ min: 0.1, max: 86_400, noNaN: true }),
    slo: amount(86_400),
    min: workers,
    above: workers,
  })
  .map(({ above, ...rest }) => ({ ...rest, max: rest.min + above }));

describe('the scaling rule', () => {
  it.each<[string, Partial<ScalingSnapshot>, Partial<ScalingPolicy>, number]>([
    ['nothing to do gives the lower bound', {}, {}, 1],
    ['nothing to do gives none where none may be', { currentWorkers: 3 }, { min: 0 }, 0],
    // 2 jobs a second of 1 s keep 2 slots busy: 2.5 workers at 80 %.
    ['the rate', { arrivalRate: 2, serviceTime: 1 }, {}, 3],
    ['the rate at full use', { arrivalRate: 2, serviceTime: 1 }, { utilisation: 1 }, 2],
    // 0.5 × 4 = 2 busy slots; 2 / (4 × 0.5) = 1 worker.
    [
      'several slots a worker',
      { arrivalRate: 0.5, serviceTime: 4 },
      { slotsPerWorker: 4, utilisation: 0.5 },
      1,
    ],
    // 240 s of work within 60 s: 4 slots, 5 workers at 80 %.
    ['the backlog', { backlogJobs: 24, backlogSeconds: 240 }, {}, 5],
    // 1,000 jobs of 1 s within 5 s: 200 slots, 250 workers.
    ['a burst', { backlogJobs: 1_000, backlogSeconds: 1_000 }, { drainTarget: 5, max: 300 }, 250],
    // 1 × 2 + 60 / 60 = 3 slots, 3.75 workers.
    ['rate and backlog', { arrivalRate: 1, serviceTime: 2, backlogSeconds: 60 }, {}, 4],
    ['any load needs a worker', { backlogJobs: 1, backlogSeconds: 0.001 }, { min: 0 }, 1],
    ['busy workers stay', { busyWorkers: 7, currentWorkers: 9 }, {}, 7],
    ['a late job wants one more', { oldestAge: 301, currentWorkers: 4 }, {}, 5],
    ['a job that waits just as long as it may is not late', { oldestAge: 300, currentWorkers: 4 }, {}, 1],
    ['the upper bound', { arrivalRate: 100, serviceTime: 1 }, {}, 10],
    ['the upper bound, even above it busy', { busyWorkers: 12, currentWorkers: 12 }, {}, 10],
    ['the lower bound', { arrivalRate: 1, serviceTime: 1 }, { min: 6 }, 6],
  ])('answers as computed by hand: %s', (_, measured, wanted, desired) => {
    expect(known({ ...idle, ...measured }, { ...policy, ...wanted }).desired).toBe(desired);
  });

  it.each([
    [2.1, 1, 0.7, 3], // 3.0000000000000004 in doubles
    [3, 0.1, 0.1, 3], // 3.0000000000000004
    [1.1, 3, 0.3, 11], // 11.000000000000002
    [2.4, 1, 0.8, 3], // 2.9999999999999996
    [2.400001, 1, 0.8, 4],
  ])('needs no worker for the noise of doubles: %d jobs/s of %d s at %d', (rate, time, share, need) => {
    const snapshot = { ...idle, arrivalRate: rate, serviceTime: time };
    expect(known(snapshot, { ...policy, utilisation: share }).need).toBe(need);
  });

  it('gives a whole number within the bounds, and never 0 below busy workers', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, wanted) => {
        const { desired, need } = known(snapshot, wanted);
        for (const figure of [desired, need]) {
          expect(Number.isSafeInteger(figure)).toBe(true);
          expect(Object.is(figure, -0)).toBe(false);
        }
        expect(desired).toBeGreaterThanOrEqual(wanted.min);
        expect(desired).toBeLessThanOrEqual(wanted.max);
        expect(desired).toBeGreaterThanOrEqual(Math.min(snapshot.busyWorkers, wanted.max));
      }),
    );
  });

  it('never wants fewer because there is more to do', () => {
    const growing = ['arrivalRate', 'serviceTime', 'backlogSeconds', 'busyWorkers', 'oldestAge'] as const;
    fc.assert(
      fc.property(
        snapshots,
        policies,
        fc.constantFrom(...growing),
        fc.integer({ min: 0, max: 100 }),
        (snapshot, wanted, term, more) => {
          const before = known(snapshot, wanted);
          const after = known({ ...snapshot, [term]: snapshot[term] + more }, wanted);
          expect(after.desired).toBeGreaterThanOrEqual(before.desired);
          expect(after.need).toBeGreaterThanOrEqual(before.need);
        },
      ),
    );
  });

  it('wants the lower bound where nothing waits, comes or runs, however many workers there are', () => {
    fc.assert(
      fc.property(policies, workers, amount(1e5), (wanted, currentWorkers, serviceTime) => {
        const { desired, need } = known({ ...idle, currentWorkers, serviceTime }, wanted);
        expect([desired, need]).toEqual([wanted.min, 0]);
      }),
    );
  });

  it('wants one more than there are as soon as a job is late', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, wanted) => {
        const { desired } = known({ ...snapshot, oldestAge: wanted.slo + 1 }, wanted);
        expect(desired).toBeGreaterThanOrEqual(Math.min(snapshot.currentWorkers + 1, wanted.max));
      }),
    );
  });

  it('needs just as many as carry the load within the utilisation, and one fewer would not', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, wanted) => {
        const { need } = known(snapshot, wanted);
        const { arrivalRate, serviceTime, backlogSeconds } = snapshot;
        const load = arrivalRate * serviceTime + backlogSeconds / wanted.drainTarget;
        const capacity = (count: number) => count * wanted.slotsPerWorker * wanted.utilisation;
        expect(capacity(need)).toBeGreaterThanOrEqual(load * (1 - 2e-9));
        if (need > 0) expect(capacity(need - 1)).toBeLessThan(load);
      }),
    );
  });

  it('answers with the very terms that it was given', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, wanted) => {
        const plan = known(Object.freeze(snapshot), Object.freeze(wanted));
        expect(plan.snapshot).toBe(snapshot);
        expect(plan.policy).toBe(wanted);
      }),
    );
  });

  it('takes a negative zero for zero', () => {
    const minus = { ...idle, arrivalRate: -0, serviceTime: 1, backlogSeconds: -0, busyWorkers: -0 };
    for (const bounds of [{ min: -0 }, { min: -0, max: -0 }]) {
      const { desired, need } = known(minus, { ...policy, ...bounds });
      expect([desired, need]).toStrictEqual([0, 0]);
    }
  });
});

describe('what is unknown', () => {
  const names = <T extends object>(value: T): (keyof T & string)[] =>
    Object.keys(value) as (keyof T & string)[];

  it('is every figure made of a number that cannot be, and the reason names the number', () => {
    const impossible = fc.constantFrom(NaN, Infinity, -Infinity, -1, -Number.MIN_VALUE);
    fc.assert(
      fc.property(snapshots, policies, impossible, (snapshot, wanted, value) => {
        for (const name of names(snapshot)) {
          const plan = planScale({ ...snapshot, [name]: value }, wanted);
          expect(plan).toMatchObject({ kind: 'unknown', reason: expect.stringContaining(name) as string });
        }
        for (const name of names(wanted)) {
          const plan = planScale(snapshot, { ...wanted, [name]: value });
          expect(plan).toMatchObject({ kind: 'unknown', reason: expect.stringContaining(name) as string });
        }
      }),
    );
  });

  it.each<[keyof ScalingPolicy | keyof ScalingSnapshot, number]>([
    ['backlogJobs', 1.5],
    ['busyWorkers', 0.5],
    ['currentWorkers', 2.5],
    ['slotsPerWorker', 0],
    ['slotsPerWorker', 1.5],
    ['utilisation', 0],
    ['utilisation', 1.01],
    ['drainTarget', 0],
    ['min', 0.5],
    ['min', 11],
    ['max', 10.5],
  ])('is the figure where %s is %d', (name, value) => {
    const plan = planScale({ ...idle, [name]: value }, { ...policy, [name]: value });
    expect(plan).toMatchObject({ kind: 'unknown', reason: expect.stringContaining(name) as string });
  });

  it('is a load beyond what can be counted', () => {
    const huge = { ...idle, arrivalRate: 1e200, serviceTime: 1e200 };
    expect(planScale(huge, policy)).toEqual({
      kind: 'unknown',
      reason: 'the load is out of range: Infinity',
    });
  });
});

describe('the deciding term', () => {
  it.each<[string, Partial<ScalingSnapshot>, Partial<ScalingPolicy>]>([
    ['need', { arrivalRate: 2, serviceTime: 1 }, {}],
    ['need', {}, { min: 0 }],
    ['need', { arrivalRate: 2, serviceTime: 1, busyWorkers: 3 }, {}],
    ['busy', { arrivalRate: 2, serviceTime: 1, busyWorkers: 4 }, {}],
    ['late', { oldestAge: 301, busyWorkers: 4, currentWorkers: 4 }, {}],
    ['min', {}, {}],
    ['need', { arrivalRate: 8, serviceTime: 1 }, {}],
    ['max', { arrivalRate: 100, serviceTime: 1 }, {}],
  ])('is %s', (term, measured, wanted) => {
    expect(decider({ ...idle, ...measured }, { ...policy, ...wanted })).toBe(term);
  });

  it('is always the one whose figure was answered', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, wanted) => {
        const { desired, need } = known(snapshot, wanted);
        const figures = {
          need,
          busy: snapshot.busyWorkers,
          late: snapshot.currentWorkers + 1,
          min: wanted.min,
          max: wanted.max,
        };
        expect(figures[decider(snapshot, wanted)]).toBe(desired);
      }),
    );
  });
});
