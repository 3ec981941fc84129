import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { observe, snapshotOf, type CountedType, type LoadEstimate, type LoadReading } from './load.js';
import { planScale } from './scaling.js';

const started = 1_750_000_000_000;
const policy = { slotsPerWorker: 1, utilisation: 0.8, drainTarget: 5, slo: 1, min: 0, max: 8 };
const nobody = { busyWorkers: 0, currentWorkers: 0 };

interface Counted {
  readonly type?: string;
  readonly pending?: number;
  readonly pendingWork?: number;
  readonly held?: number;
  readonly paused?: boolean;
  readonly oldestPendingAt?: number;
  readonly submitted?: number;
  readonly completed?: number;
  readonly ranMs?: number;
  readonly work?: number;
}

const counted = (given: Counted): CountedType => {
  const { type = 'sum', pending = 0, submitted = 0, completed = 0, ranMs = 0, oldestPendingAt } = given;
  return {
    type,
    jobs: { pending },
    held: given.held ?? 0,
    paused: given.paused ?? false,
    pendingWork: given.pendingWork ?? pending,
    ...(oldestPendingAt === undefined ? {} : { oldestPendingAt }),
    totals: { submitted, attempts: { completed }, ranMs, work: given.work ?? completed },
  };
};
/** A reading so many seconds after the start. */
const reading = (seconds: number, ...types: Counted[]): LoadReading => ({
  at: 5_000 + 1_000 * seconds,
  now: started + 1_000 * seconds,
  types: types.map(counted),
});
const observed = (...readings: LoadReading[]): LoadEstimate =>
  readings.reduce<LoadEstimate | undefined>(observe, undefined)!;
const measured = (...readings: LoadReading[]) => snapshotOf(observed(...readings), nobody);

/** What is left of 1 after so many seconds. */
const left = (seconds: number): number => Math.exp(-seconds / 15);

describe('the arrival rate', () => {
  it('is not known from one reading, whose totals may be days old', () => {
    expect(measured(reading(0, { submitted: 1_000_000 })).arrivalRate).toBe(0);
  });

  it('shows a burst in the first second at once', () => {
    const { arrivalRate } = measured(reading(0), reading(1, { submitted: 1_000, pending: 1_000 }));
    expect(arrivalRate).toBeCloseTo(1_000, 6);
  });

  it('shows a burst after quiet minutes as spread over its memory', () => {
    const quiet = Array.from({ length: 300 }, (_, second) => reading(second));
    const { arrivalRate } = measured(...quiet, reading(300, { submitted: 1_000 }));
    expect(arrivalRate).toBeCloseTo(1_000 * (1 - left(1)), 3);
  });

  it('has no bias at constant arrivals, however unevenly it is read', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 50 });
    const rates = fc.integer({ min: 1, max: 1_000 });
    fc.assert(
      fc.property(gaps, rates, (steps, rate) => {
        let second = 1;
        const readings = [reading(0), reading(1, { submitted: rate })];
        for (const ms of steps) {
          second += ms / 1_000;
          readings.push(reading(second, { submitted: rate * second }));
        }
        expect(measured(...readings).arrivalRate / rate).toBeCloseTo(1, 6);
      }),
    );
  });

  it('fades to 1/e of a burst in 15 s, and in the end to nothing', () => {
    const busy = [reading(0), reading(600), reading(601, { submitted: 1_000 })];
    const after = (seconds: number) =>
      measured(...busy, reading(601 + seconds, { submitted: 1_000 })).arrivalRate;
    expect(after(15) / after(0)).toBeCloseTo(left(15), 3);
    expect(after(150)).toBeGreaterThan(0);
    expect(after(300)).toBe(0);
  });

  it('is bounded where readings follow each other at once', () => {
    const { arrivalRate } = measured(reading(0), reading(0.001, { submitted: 1 }));
    expect(arrivalRate).toBeCloseTo(2, 3);
    expect(measured(reading(0), reading(0, { submitted: 1 })).arrivalRate).toBe(2);
  });

  it('counts totals that went back from 0 anew', () => {
    const before = [reading(0, { submitted: 5_000 }), reading(600, { submitted: 5_000 })];
    const { arrivalRate } = measured(...before, reading(601, { submitted: 30 }));
    expect(arrivalRate).toBeCloseTo(30 * (1 - left(1)), 3);
  });

  it('takes a restart from any of the totals that is lower', () => {
    const known = { submitted: 10, completed: 10, ranMs: 10_000 };
    const restarted = { submitted: 10, completed: 1, ranMs: 3_000 };
    const { arrivalRate, serviceTime } = measured(reading(0, known), reading(1, restarted));
    expect(arrivalRate).toBeCloseTo(10, 6);
    expect(serviceTime).toBeGreaterThan(1);
    expect(serviceTime).toBeLessThan(3);
  });

  it('counts all jobs of a type that was not there before', () => {
    const readings = [reading(0, { type: 'old', submitted: 50 })];
    for (const at of [1, 2]) readings.push(reading(at, { type: 'old', submitted: 50 }));
    const old = { type: 'old', submitted: 50 };
    const { arrivalRate } = measured(...readings, reading(3, old, { type: 'new', submitted: 8 }));
    expect(arrivalRate).toBeGreaterThan(8 / 3);
  });
});

describe('the service time', () => {
  it('is the mean of what completed, also before the first reading', () => {
    expect(measured(reading(0, { completed: 4, ranMs: 10_000 })).serviceTime).toBeCloseTo(2.5, 9);
  });

  it('follows a change within a few times fifty jobs, and hardly within one', () => {
    const slow = reading(0, { completed: 1_000, ranMs: 4_000_000 });
    const one = measured(slow, reading(1, { completed: 1_001, ranMs: 4_001_000 })).serviceTime;
    expect(one).toBeGreaterThan(3.9);
    const many = measured(slow, reading(1, { completed: 1_300, ranMs: 4_300_000 })).serviceTime;
    expect(many).toBeCloseTo(1, 1);
  });

  it('comes out the same whether jobs are counted one by one or together', () => {
    const jobs = Array.from({ length: 200 }, (_, i) =>
      reading(i + 1, { completed: i + 1, ranMs: 700 * (i + 1) }),
    );
    const one = snapshotOf(observed(reading(0), ...jobs), nobody).serviceTime;
    expect(one).toBeCloseTo(measured(reading(0), jobs.at(-1)!).serviceTime, 9);
  });

  it('outlives a quiet week', () => {
    const known = { submitted: 9, completed: 9, ranMs: 27_000 };
    expect(measured(reading(0, known), reading(604_800, known)).serviceTime).toBeCloseTo(3, 9);
  });

  it('is one assumed second a job while none of the type has completed', () => {
    expect(measured(reading(0), reading(1, { submitted: 3 })).serviceTime).toBe(1);
  });

  it('is weighted by the rates, so that rate × time is the load of all types', () => {
    const small = { type: 'small', submitted: 90, completed: 90, ranMs: 900 };
    const large = { type: 'large', submitted: 10, completed: 10, ranMs: 200_000 };
    const { arrivalRate, serviceTime } = measured(reading(0), reading(1, small, large));
    expect(arrivalRate * serviceTime).toBeCloseTo(90 * 0.01 + 10 * 20, 6);
    expect(serviceTime).toBeCloseTo((90 * 0.01 + 10 * 20) / 100, 6);
  });

  it('is weighted by completions where nothing arrives, and 0 where nothing is known', () => {
    const small = { type: 'small', completed: 3, ranMs: 3_000 };
    const large = { type: 'large', completed: 1, ranMs: 9_000 };
    expect(measured(reading(0, small, large)).serviceTime).toBeCloseTo(3, 1);
    expect(measured(reading(0, { pending: 5 })).serviceTime).toBe(0);
    expect(measured(reading(0)).serviceTime).toBe(0);
  });
});

describe('the backlog', () => {
  it('is the pending work at the measured cost of a unit, summed over the types', () => {
    // 6 s for 3,000 units are 2 ms a unit; 2 s for 4 are 0.5 s.
    const products = { type: 'a', pending: 2, pendingWork: 50_000, completed: 3, ranMs: 6_000, work: 3_000 };
    const sums = { type: 'b', pending: 10, completed: 4, ranMs: 2_000 };
    const { backlogJobs, backlogSeconds } = measured(reading(0, products, sums));
    expect(backlogJobs).toBe(12);
    expect(backlogSeconds).toBeCloseTo(100 + 5, 9);
  });

  it('is an assumed second a job, whatever its work, while none of the type has completed', () => {
    const { backlogSeconds } = measured(reading(0, { pending: 7, pendingWork: 7e9 }));
    expect(backlogSeconds).toBe(7);
  });

  it('does not take jobs for free where nobody measured how long they ran', () => {
    expect(measured(reading(0, { pending: 7, completed: 20, ranMs: 0 })).backlogSeconds).toBe(7);
  });

  it('leaves out what no worker would get: held jobs, and all of a paused type', () => {
    const held = { type: 'a', pending: 9, held: 5, oldestPendingAt: started - 1_000 };
    const paused = { type: 'b', pending: 50, paused: true, oldestPendingAt: started - 90_000 };
    const backlog = measured(reading(0, held, paused));
    expect(backlog).toMatchObject({ backlogJobs: 4, backlogSeconds: 4, oldestAge: 1 });
  });

  it('forgets a type that the store no longer has', () => {
    const gone = measured(reading(0, { submitted: 9, pending: 9, oldestPendingAt: started }), reading(1));
    expect(gone).toMatchObject({ backlogJobs: 0, backlogSeconds: 0, oldestAge: 0, arrivalRate: 0 });
  });
});

describe('the oldest age', () => {
  it('is that of the job of any type that has waited longest', () => {
    const one = { type: 'a', pending: 1, oldestPendingAt: started - 2_500 };
    const other = { type: 'b', pending: 1, oldestPendingAt: started - 400 };
    expect(measured(reading(0, one, other, { type: 'c' })).oldestAge).toBe(2.5);
  });

  it('is 0 where none waits, and where the wall clock went back', () => {
    expect(measured(reading(0, {})).oldestAge).toBe(0);
    expect(measured(reading(0, { pending: 1, oldestPendingAt: started + 9_000 })).oldestAge).toBe(0);
  });
});

describe('the snapshot', () => {
  it.each(['pending', 'pendingWork', 'oldestPendingAt', 'submitted', 'completed', 'ranMs', 'work'])(
    'makes the rule answer unknown at once where %s is no number',
    (name) => {
      const known = { pending: 2, submitted: 9, completed: 4, ranMs: 4_000 };
      const broken = { ...known, [name]: NaN };
      for (const readings of [[reading(0, broken)], [reading(0, known), reading(1, broken)]]) {
        expect(planScale(measured(...readings), policy).kind).toBe('unknown');
      }
    },
  );

  it('has the workers that it was given', () => {
    const workers = { busyWorkers: 2, currentWorkers: 3 };
    expect(snapshotOf(observed(reading(0)), workers)).toMatchObject(workers);
  });

  it('is one that the rule can use, whatever readings came before', () => {
    const total = fc.integer({ min: 0, max: 1_000_000_000 });
    const types = fc.uniqueArray(
      fc.record({
        type: fc.constantFrom('a', 'b', 'c'),
        pending: fc.integer({ min: 0, max: 1_000_000 }),
        pendingWork: total,
        oldestPendingAt: fc.integer({ min: started - 1_000_000, max: started + 1_000_000 }),
        submitted: total,
        completed: total,
        ranMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
        work: total,
      }),
      { selector: ({ type }) => type },
    );
    const moments = fc.record({ gap: fc.integer({ min: 0, max: 100_000 }), types });
    fc.assert(
      fc.property(fc.array(moments, { minLength: 1, maxLength: 20 }), (steps) => {
        let seconds = 0;
        const readings = steps.map((step) => reading((seconds += step.gap / 1_000), ...step.types));
        expect(planScale(measured(...readings), policy)).toMatchObject({ kind: 'known' });
      }),
    );
  });
});
