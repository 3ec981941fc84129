import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GiB, MiB } from '../../jobs/limits.js';
import { memoryOverhead, plan, type Plan, type PlanRequest } from './plan.js';

const square = (n: number, memory: number): PlanRequest => ({
  m: n,
  k: n,
  n,
  elementSize: 8,
  budget: memory - memoryOverhead(2),
});

const dimension = fc.oneof(fc.integer({ min: 1, max: 50_000 }), fc.integer({ min: 1, max: 4_000_000_000 }));
const request = fc.record({
  m: dimension,
  k: dimension,
  n: dimension,
  elementSize: fc.constantFrom(4, 8),
  budget: fc.integer({ min: 64 * MiB, max: 64 * GiB }),
});

/** All that is held at one time, counted without the plan's own sum. */
function held(p: Plan, { k, n, elementSize }: PlanRequest): number {
  const a = p.holdA ? p.panelRows * k : 2 * p.panelRows * p.kBlock;
  const b = (p.kBlock >= k ? 1 : 2) * p.kBlock * n;
  return (a + b + p.panelRows * n) * elementSize;
}

describe('the plan of a product', () => {
  it('stays within its budget, or says that even one row does not fit', () => {
    fc.assert(
      fc.property(request, (r) => {
        let p: Plan;
        try {
          p = plan(r);
        } catch (error) {
          expect(error).toMatchObject({ code: 'out-of-memory' });
          const least = (2 + 3 * r.n) * r.elementSize + 8 * (2 * r.n + 7);
          expect(least > r.budget || r.n * r.elementSize > 2 ** 33).toBe(true);
          return;
        }
        expect(held(p, r)).toBeLessThanOrEqual(p.bytes);
        expect(p.bytes).toBeLessThanOrEqual(r.budget);
      }),
    );
  });

  it('covers every row once, in panels of nearly the same height', () => {
    fc.assert(
      fc.property(request, (r) => {
        fc.pre(2 * (2 + 3 * r.n) * r.elementSize + 16 * (2 * r.n + 7) < Math.min(r.budget, 2 ** 33));
        const { panelRows, kBlock } = plan(r);
        const panels = Math.ceil(r.m / panelRows);
        expect(panelRows).toBeGreaterThanOrEqual(1);
        expect(panelRows).toBeLessThanOrEqual(r.m);
        expect(kBlock).toBeGreaterThanOrEqual(1);
        expect(kBlock).toBeLessThanOrEqual(r.k);
        const last = r.m - (panels - 1) * panelRows;
        expect(last).toBeGreaterThan(0);
        expect(panelRows - last).toBeLessThanOrEqual(panels);
      }),
    );
  });

  it('takes 10,000² in one piece with 3 GiB', () => {
    expect(plan(square(10_000, 3 * GiB))).toMatchObject({ panelRows: 10_000, kBlock: 10_000, buffersOfB: 1 });
  });

  it('takes 20,000² in a few high panels with 2 GiB', () => {
    const p = plan(square(20_000, 2 * GiB));
    expect(p.holdA).toBe(true);
    expect(p.kBlock).toBe(512);
    expect(Math.ceil(20_000 / p.panelRows)).toBeLessThanOrEqual(5);
  });

  it('gives up holding A where k is too long for it', () => {
    const p = plan({ m: 1, k: 4_000_000_000, n: 1, elementSize: 8, budget: 1 * GiB });
    expect(p.holdA).toBe(false);
    expect(p.kBlock).toBeGreaterThan(1_000_000);
  });
});
