/** Reads what counts.lua answers. */
import { statuses } from '../../jobs/life-cycle.js';
import type { EndedAttempt, TypeCounts } from '../engine.js';

export type CountFields = readonly [
  type: string,
  paused: number,
  oldest: string,
  namesAndValues: readonly string[],
];

const outcomes: readonly EndedAttempt['outcome'][] = [
  'completed',
  'failed',
  'expired',
  'released',
  'cancelled',
];

export function readCounts(all: readonly CountFields[]): TypeCounts[] {
  return all.map(([type, paused, oldest, pairs]) => {
    const fields = new Map<string, number>();
    for (let at = 0; at < pairs.length; at += 2) fields.set(pairs[at]!, Number(pairs[at + 1]));
    const of = (name: string): number => fields.get(name) ?? 0;
    const each = <T extends string>(names: readonly T[], prefix = '') =>
      Object.fromEntries(names.map((name) => [name, of(`${prefix}${name}`)])) as Record<T, number>;
    return {
      type,
      jobs: each(statuses),
      held: of('held'),
      paused: paused === 1,
      pendingWork: of('work'),
      ...(oldest !== '' && { oldestPendingAt: Number(oldest) }),
      totals: {
        submitted: of('submitted'),
        attempts: each(outcomes, 'ended:'),
        ranMs: of('ran'),
        work: of('done'),
      },
    };
  });
}
