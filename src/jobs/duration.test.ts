import { describe, expect, it } from 'vitest';
import { parseDuration } from './duration.js';

describe('a duration', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['1.5s', 1_500],
    ['90s', 90_000],
    ['10m', 600_000],
    ['1.5 h', 5_400_000],
    ['7d', 604_800_000],
    [' 5m ', 300_000],
  ])('is read from %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', 's', '10', '-1s', '1w', '1e3', '1e3s', '1 s s', '1S', 'soon'])(
    'is not read from "%s"',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );

  it('may be a bare number only where its unit is agreed', () => {
    expect(parseDuration('2.5', { bare: 's' })).toBe(2_500);
    expect(parseDuration('2.5', { bare: 'ms' })).toBe(3);
    expect(parseDuration('2.5')).toBeUndefined();
    expect(parseDuration('2m', { bare: 's' })).toBe(120_000);
  });
});
