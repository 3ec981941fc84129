import { validate, version } from 'uuid';
import { describe, expect, it } from 'vitest';
import { systemClock } from './clock.js';

describe('ids', () => {
  const ids = Array.from({ length: 5_000 }, () => systemClock.id());

  it('are UUIDs of version 7, each another', () => {
    expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('sort in the order in which they were made, within a millisecond too', () => {
    expect([...ids].sort()).toEqual(ids);
    const milliseconds = new Set(ids.map((id) => id.slice(0, 13)));
    expect(milliseconds.size).toBeLessThan(ids.length);
  });

  it('carry the time at which they were made', () => {
    const [before, id, after] = [systemClock.now(), systemClock.id(), systemClock.now()];
    const made = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
    expect(made).toBeGreaterThanOrEqual(before - 1_000); // an earlier id may have run ahead of a clock set back
    expect(made).toBeLessThanOrEqual(after);
  });
});
