import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterFailure, defaultRetry, type RetryPolicy } from './retry.js';

const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  attempts: fc.integer({ min: 1, max: 100 }),
  baseMs: fc.integer({ min: 0, max: 86_400_000 }),
  factor: fc.double({ min: 1, max: 100, noNaN: true }),
  capMs: fc.integer({ min: 0, max: 86_400_000 }),
});
const attempts = fc.integer({ min: 1, max: 1_000 });
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('retry rule', () => {
  test('never retries a permanent error', () => {
    fc.assert(
      fc.property(policies, attempts, randoms, (policy, attempt, random) => {
        const after = afterFailure({ attempt, maxAttempts: attempt + 1, permanent: true, policy, random });
        expect(after).toEqual({ kind: 'give-up', because: 'permanent' });
      }),
    );
  });

  test('retries exactly as long as attempts are left', () => {
    fc.assert(
      fc.property(policies, attempts, attempts, randoms, (policy, attempt, maxAttempts, random) => {
        const after = afterFailure({ attempt, maxAttempts, permanent: false, policy, random });
        if (attempt < maxAttempts) expect(after.kind).toBe('retry');
        else expect(after).toEqual({ kind: 'give-up', because: 'attempts-used-up' });
      }),
    );
  });

  test('waits a whole number of milliseconds, from zero up to the cap', () => {
    fc.assert(
      fc.property(policies, attempts, randoms, (policy, attempt, random) => {
        const after = afterFailure({ attempt, maxAttempts: Infinity, permanent: false, policy, random });
        const delayMs = after.kind === 'retry' ? after.delayMs : NaN;
        expect(Number.isInteger(delayMs)).toBe(true);
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThanOrEqual(policy.capMs);
      }),
    );
  });

  test('widens the range of the wait with each attempt, and uses all of it', () => {
    const wait = (attempt: number, random: number) =>
      afterFailure({ attempt, maxAttempts: 100, permanent: false, policy: defaultRetry, random });
    const widest = [1, 2, 3, 4, 9, 10, 50].map((attempt) => wait(attempt, 1 - Number.EPSILON));
    expect(widest).toEqual(
      [999, 1_999, 3_999, 7_999, 255_999, 299_999, 299_999].map((delayMs) => ({ kind: 'retry', delayMs })),
    );
    expect(wait(5, 0)).toEqual({ kind: 'retry', delayMs: 0 });
    expect(wait(3, 0.5)).toEqual({ kind: 'retry', delayMs: 2_000 });
  });
});
