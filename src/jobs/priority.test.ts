import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newTurns, priorities, priorityWeights, takeTurn, type Priority } from './priority.js';

describe('the turns of the priorities', () => {
  const take = (count: number, has: (priority: Priority) => boolean): Priority[] => {
    const turns = newTurns();
    return Array.from({ length: count }, () => takeTurn(turns, has)!);
  };
  const countOf = (taken: readonly Priority[], wanted: Priority): number =>
    taken.filter((priority) => priority === wanted).length;

  it('are 16 to 4 to 1 where all wait, the highest first', () => {
    const taken = take(21, () => true);
    expect(taken[0]).toBe('high');
    expect(priorities.map((priority) => countOf(taken, priority))).toEqual([16, 4, 1]);
  });

  it('are spread: between two of the higher there are never more lower ones than their share', () => {
    const taken = take(210, () => true).join(' ');
    expect(taken).not.toContain('normal normal');
    expect(taken).not.toContain('low low');
  });

  it('go to whoever waits, and to nobody where nobody does', () => {
    expect(take(3, (priority) => priority === 'low')).toEqual(['low', 'low', 'low']);
    expect(takeTurn(newTurns(), () => false)).toBeUndefined();
  });

  it('leave none out for longer than a round of all weights, whatever comes and goes', () => {
    const sets = fc.array(fc.subarray([...priorities], { minLength: 1 }), { minLength: 1, maxLength: 200 });
    const round = Object.values(priorityWeights).reduce((sum, weight) => sum + weight, 0);
    fc.assert(
      fc.property(sets, (waiting) => {
        const turns = newTurns();
        const passed = { high: 0, normal: 0, low: 0 };
        for (const set of waiting) {
          const taken = takeTurn(turns, (priority) => set.includes(priority));
          expect(set).toContain(taken);
          for (const priority of priorities) {
            passed[priority] = set.includes(priority) && priority !== taken ? passed[priority] + 1 : 0;
            expect(passed[priority]).toBeLessThanOrEqual(round);
          }
        }
      }),
    );
  });

  it('owe nothing to one that had nothing to hand out', () => {
    const turns = newTurns();
    for (let i = 0; i < 1_000; i++) takeTurn(turns, (priority) => priority !== 'low');
    const taken = Array.from({ length: 21 }, () => takeTurn(turns, () => true));
    expect(taken.filter((priority) => priority === 'low')).toHaveLength(1);
  });
});
