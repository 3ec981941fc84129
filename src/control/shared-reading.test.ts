import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { shareReading } from './shared-reading.js';

function harness(read: (turn: number) => Promise<number>) {
  const clock = new ManualClock();
  let turns = 0;
  const ask = shareReading({ clock, forMs: 500, read: () => read((turns += 1)) });
  return { clock, ask, turns: () => turns };
}

describe('a shared reading', () => {
  it('is one for all who ask while it is young, also before it is there', async () => {
    const { clock, ask, turns } = harness((turn) => Promise.resolve(turn));
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([1, 1, 1]);
    clock.advance(499);
    expect(await ask()).toBe(1);
    clock.advance(1);
    expect(await Promise.all([ask(), ask()])).toEqual([2, 2]);
    expect(turns()).toBe(2);
  });

  it('tells all of them that it failed, and is tried again', async () => {
    const { clock, ask } = harness((turn) =>
      turn === 1 ? Promise.reject(new Error('away')) : Promise.resolve(turn),
    );
    await expect(ask()).rejects.toThrow('away');
    await expect(ask()).rejects.toThrow('away');
    clock.advance(500);
    expect(await ask()).toBe(2);
  });
});
