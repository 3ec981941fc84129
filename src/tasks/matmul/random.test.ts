import { describe, expect, it } from 'vitest';
import { fill, seedOf, signs } from './random.js';

/** The documented function, written with BigInt and no sharing of code. */
function reference(seed: number, index: bigint): number {
  const m = 0xffffffffn;
  const mix = (x: bigint, key = 0n): bigint => {
    x ^= x >> 16n;
    x = (x * 0x7feb352dn) & m;
    x ^= key;
    x ^= x >> 15n;
    x = (x * 0x846ca68bn) & m;
    return x ^ (x >> 16n);
  };
  const key1 = mix((BigInt(seed) + 0x9e3779b9n) & m);
  const key2 = mix(key1 ^ (index >> 32n));
  const key3 = mix((key2 + 0x9e3779b9n) & m);
  const u = mix((index & m) ^ key2, key3);
  const v = mix((u + key1) & m);
  return Number((u >> 5n) * 67108864n + (v >> 6n)) / 2 ** 53;
}

describe('random matrices', () => {
  it('follow the documented function, also past 2^32 elements', () => {
    for (const seed of [0, 1, 42, 4_294_967_295]) {
      for (const first of [0, 1_000_000_007, 2 ** 31 - 3, 2 ** 32 - 3, 3 * 2 ** 32 + 5]) {
        const got = new Float64Array(6);
        fill(got, seed, first, 6);
        const want = Array.from(got, (_, i) => reference(seed, BigInt(first) + BigInt(i)));
        expect(Array.from(got)).toEqual(want);
      }
    }
  });

  it('give the same numbers by any cut of the range', () => {
    const whole = new Float64Array(1000);
    fill(whole, 7, 500, 1000);
    const part = new Float64Array(100);
    fill(part, 7, 817, 100);
    expect(Array.from(part)).toEqual(Array.from(whole.subarray(317, 417)));
  });

  it('are the rounded doubles as float32, and below 1', () => {
    const doubles = new Float64Array(100_000);
    const singles = new Float32Array(100_000);
    fill(doubles, 3, 0, 100_000);
    fill(singles, 3, 0, 100_000);
    expect(singles.every((x, i) => x === Math.min(Math.fround(doubles[i]!), 1 - 2 ** -24))).toBe(true);
  });

  it('look uniform and independent between seeds and neighbours', () => {
    const n = 200_000;
    const a = new Float64Array(n);
    const b = new Float64Array(n);
    fill(a, 1, 0, n);
    fill(b, 2, 0, n);
    const correlation = (shift: number): number => {
      let sum = 0;
      for (let i = 0; i < n - shift; i++) sum += (a[i]! - 0.5) * (b[i + shift]! - 0.5) * 12;
      return sum / Math.sqrt(n);
    };
    const own = (shift: number): number => {
      let sum = 0;
      for (let i = 0; i < n - shift; i++) sum += (a[i]! - 0.5) * (a[i + shift]! - 0.5) * 12;
      return sum / Math.sqrt(n);
    };
    // Each is a standard normal deviate for truly random numbers; the seeds are fixed, so this cannot flake.
    for (const z of [correlation(0), correlation(1), correlation(4096), own(1), own(2), own(4096)])
      expect(Math.abs(z)).toBeLessThan(4.5);
    const buckets = new Float64Array(64);
    for (const x of a) buckets[Math.floor(x * 64)]! += 1;
    const chi2 = buckets.reduce((sum, c) => sum + (c - n / 64) ** 2 / (n / 64), 0);
    expect(chi2).toBeGreaterThan(25);
    expect(chi2).toBeLessThan(115);
  });

  it('give balanced signs and distinct seeds', () => {
    const x = signs(9, 10_000);
    expect(x.every((s) => s === 1 || s === -1)).toBe(true);
    expect(Math.abs(x.reduce((sum, s) => sum + s, 0))).toBeLessThan(450);
    expect(new Set(Array.from({ length: 1000 }, (_, i) => seedOf(`job:${i}`))).size).toBe(1000);
  });
});
