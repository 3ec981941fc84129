import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../test/support/manual-clock.js';
import { Recent } from './recent.js';

describe('answers of the API server', () => {
  test('hold for ten seconds', async () => {
    const clock = new ManualClock();
    const recent = new Recent<number>(clock);
    let asked = 0;
    const ask = (): Promise<number> => Promise.resolve((asked += 1));
    expect(await recent.get('a', ask)).toBe(1);
    clock.advance(9_999);
    expect(await recent.get('a', ask)).toBe(1);
    expect(await recent.get('b', ask)).toBe(2);
    clock.advance(1);
    expect(await recent.get('a', ask)).toBe(3);
  });

  test('are asked for once by many who come together', async () => {
    const recent = new Recent<number>(new ManualClock());
    let asked = 0;
    const all = Array.from({ length: 100 }, () => recent.get('a', () => Promise.resolve((asked += 1))));
    expect(new Set(await Promise.all(all))).toEqual(new Set([1]));
  });

  test('are not kept where asking failed', async () => {
    const recent = new Recent<number>(new ManualClock());
    await expect(recent.get('a', () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect(await recent.get('a', () => Promise.resolve(1))).toBe(1);
  });

  test('are at most a thousand, of which the oldest goes first', async () => {
    const recent = new Recent<number>(new ManualClock());
    for (let key = 0; key <= 1_000; key += 1) await recent.get(String(key), () => Promise.resolve(1));
    expect(await recent.get('1000', () => Promise.resolve(2))).toBe(1);
    expect(await recent.get('0', () => Promise.resolve(2))).toBe(2);
  });

  test('are waited for by a few at a time; more are refused', async () => {
    const recent = new Recent<number>(new ManualClock());
    let answer = (): void => undefined;
    const open = new Promise<void>((resolve) => (answer = resolve));
    const waiting = Array.from({ length: 32 }, (_, key) =>
      recent.get(String(key), () => open.then(() => key)),
    );
    await expect(recent.get('one more', () => Promise.resolve(1))).rejects.toMatchObject({ code: 503 });
    answer();
    await Promise.all(waiting);
    expect(await recent.get('one more', () => Promise.resolve(1))).toBe(1);
  });
});
