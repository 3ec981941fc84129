import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAge, formatBytes, formatDuration, shorten } from './format.js';

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [32_000_128, '32.0 MB'],
    [999_949, '1000 kB'],
    [999_960, '1.0 MB'],
    [800_000_128, '800 MB'],
    [9.6e9, '9.6 GB'],
    [5e15, '5000 TB'],
  ])('writes %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('durations', () => {
  it.each([
    [0.4, '0 ms'],
    [41.2, '41 ms'],
    [1234, '1.23 s'],
    [59_960, '60.0 s'],
    [125_000, '2 min 5 s'],
    [120_000, '2 min'],
    [3_599_900, '60 min'],
    [11_520_000, '3 h 12 min'],
    [187_200_000, '2 d 4 h'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('ages', () => {
  it.each([
    [-500, '0 s'],
    [3_999, '3 s'],
    [60_000, '1 min'],
    [3_600_000, '1 h'],
    [100_000_000, '27 h'],
    [200_000_000, '2 d'],
  ])('writes %d ms ago as %s', (ms, text) => {
    expect(formatAge(ms)).toBe(text);
  });
});

describe('shortening', () => {
  it('never exceeds the width, and keeps what fits as one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, width) => {
        const short = shorten(text, width);
        expect(Array.from(short).length).toBeLessThanOrEqual(width);
        expect(short).not.toContain('\n');
        const line = text.replace(/\s+/g, ' ').trim();
        if (Array.from(line).length <= width) expect(short).toBe(line);
        else expect(short.endsWith('…')).toBe(true);
      }),
    );
  });
});
