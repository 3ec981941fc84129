import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../clock.js';
import { GiB, MiB } from './limits.js';
import {
  leastFree,
  madeAt,
  planRetention,
  retentionStep,
  type RetentionPolicy,
  type RetentionSnapshot,
} from './retention.js';

const day = 86_400_000;
const policy: RetentionPolicy = { keepForMs: 7 * day, keepJobs: 100, diskShare: 0.8, keepUploadsMs: day };
const calm: RetentionSnapshot = { now: 100 * day, finishedJobs: 50, blobBytes: 10, freeBytes: 90 };

const count = fc.nat(2_000_000);
const bytes = fc.oneof(fc.nat(1_000), fc.nat());
const moment = fc.integer({ min: 0, max: 4e12 });
const snapshots: fc.Arbitrary<RetentionSnapshot> = fc
  .record({ now: moment, finishedJobs: count, blobBytes: bytes, freeBytes: bytes, ranFor: fc.option(moment) })
  .map(({ ranFor, ...rest }) => ({ ...rest, ...(ranFor !== null && { oldestRunAt: rest.now - ranFor }) }));
const policies: fc.Arbitrary<RetentionPolicy> = fc.record({
  keepForMs: moment,
  keepJobs: count,
  diskShare: fc.double({ min: 0.01, max: 1, noNaN: true }),
  keepUploadsMs: moment,
});

describe('the plan of retention', () => {
  it('goes by age and number alone while there is room', () => {
    expect(planRetention(calm, policy)).toEqual({
      prune: { before: 93 * day, keep: 100, limit: retentionStep },
      sweepBefore: 99 * day,
      excessBytes: 0,
    });
  });

  it('gives up the oldest jobs where the blobs are above their share, and says by how much', () => {
    const { prune, excessBytes } = planRetention({ ...calm, blobBytes: 90, freeBytes: 10 }, policy);
    expect(excessBytes).toBe(10);
    expect(prune.keep).toBeLessThan(calm.finishedJobs);
    expect(prune.keep).toBeGreaterThan(0);
  });

  it('gives up nothing for a disk that other programs have filled', () => {
    const { prune, excessBytes } = planRetention({ ...calm, blobBytes: 0, freeBytes: 0 }, policy);
    expect({ keep: prune.keep, excessBytes }).toEqual({ keep: 100, excessBytes: 0 });
  });

  it('leaves what a long attempt has stored so far', () => {
    const { sweepBefore } = planRetention({ ...calm, oldestRunAt: 95 * day }, policy);
    expect(sweepBefore).toBe(95 * day);
  });

  it('never reaches beyond the policy while there is room', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, given) => {
        const { prune, sweepBefore, excessBytes } = planRetention(snapshot, given);
        expect(prune.before).toBe(snapshot.now - given.keepForMs);
        expect(prune.limit).toBeGreaterThan(0);
        expect(prune.keep).toBeGreaterThanOrEqual(0);
        expect(prune.keep).toBeLessThanOrEqual(given.keepJobs);
        if (excessBytes === 0) expect(prune.keep).toBe(given.keepJobs);
        expect(sweepBefore).toBeLessThanOrEqual(snapshot.now - given.keepUploadsMs);
        if (snapshot.oldestRunAt !== undefined) expect(sweepBefore).toBeLessThanOrEqual(snapshot.oldestRunAt);
      }),
    );
  });

  it('always gives up something where room is missing and a finished job is left, and then ends', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, given) => {
        const { prune, excessBytes } = planRetention(snapshot, given);
        if (excessBytes === 0) return;
        expect(prune.keep).toBeLessThan(Math.max(1, snapshot.finishedJobs));
        const freed = {
          ...snapshot,
          blobBytes: snapshot.blobBytes - excessBytes,
          freeBytes: snapshot.freeBytes + excessBytes,
        };
        // Bytes are whole, shares are not: the sum of both roundings is one byte.
        expect(planRetention(freed, given).excessBytes).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('the moment of an id', () => {
  it('is when it was made', () => {
    const before = systemClock.now();
    const at = madeAt(systemClock.id());
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(systemClock.now());
  });
});

describe('the room that must be left', () => {
  const space = (gib: number) => ({ free: 1 * GiB, used: (gib - 1) * GiB });
  it('is a share of a large disk and a fixed size of a small one, unless it is given', () => {
    expect(leastFree(space(100))).toBe(5 * GiB);
    expect(leastFree(space(2))).toBe(256 * MiB);
    expect(leastFree(space(100), 7)).toBe(7);
    expect(leastFree(space(100), 0)).toBe(0);
  });
});
