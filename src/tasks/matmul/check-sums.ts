/** The loops of the check, unrolled so that several additions are under way at a time. */
import type { FloatArray } from './kernel/kernel.js';
import { scale } from './scaled.js';

/** Of one row b and signs x, with b first multiplied by 2^exponent: Σ b·x, Σ |b| and Σ b². */
export function weighRow(
  b: FloatArray,
  at: number,
  x: Float64Array,
  exponent: number,
): { sum: number; norm1: number; squares: number } {
  if (exponent !== 0) {
    const scaled = new Float64Array(x.length);
    for (let j = 0; j < x.length; j++) scaled[j] = scale(b[at + j]!, exponent);
    return weighRow(scaled, 0, x, 0);
  }
  let s0 = 0, s1 = 0, n0 = 0, n1 = 0, q0 = 0, q1 = 0; // prettier-ignore
  const even = x.length - (x.length % 2);
  for (let j = 0; j < even; j += 2) {
    const b0 = b[at + j]!;
    const b1 = b[at + j + 1]!;
    s0 += b0 * x[j]!;
    s1 += b1 * x[j + 1]!;
    n0 += Math.abs(b0);
    n1 += Math.abs(b1);
    q0 += b0 * b0;
    q1 += b1 * b1;
  }
  if (even < x.length) {
    const last = b[at + even]!;
    s0 += last * x[even]!;
    n0 += Math.abs(last);
    q0 += last * last;
  }
  return { sum: s0 + s1, norm1: n0 + n1, squares: q0 + q1 };
}

/** Σ a·y and Σ |a|·z over `length` elements. */
export function weightedSums(
  a: FloatArray,
  at: number,
  y: Float64Array,
  z: Float64Array,
  length: number,
): { sum: number; weight: number } {
  let s0 = 0, s1 = 0, w0 = 0, w1 = 0; // prettier-ignore
  const even = length - (length % 2);
  for (let p = 0; p < even; p += 2) {
    const a0 = a[at + p]!;
    const a1 = a[at + p + 1]!;
    s0 += a0 * y[p]!;
    s1 += a1 * y[p + 1]!;
    w0 += Math.abs(a0) * z[p]!;
    w1 += Math.abs(a1) * z[p + 1]!;
  }
  if (even < length) {
    s0 += a[at + even]! * y[even]!;
    w0 += Math.abs(a[at + even]!) * z[even]!;
  }
  return { sum: s0 + s1, weight: w0 + w1 };
}

/** Σ factor·c·x; not finite exactly where an element is not, or the sum overflows. */
export function signedSum(c: FloatArray, at: number, x: Float64Array, factor: number): number {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0; // prettier-ignore
  const most = x.length - (x.length % 4);
  for (let j = 0; j < most; j += 4) {
    s0 += c[at + j]! * factor * x[j]!;
    s1 += c[at + j + 1]! * factor * x[j + 1]!;
    s2 += c[at + j + 2]! * factor * x[j + 2]!;
    s3 += c[at + j + 3]! * factor * x[j + 3]!;
  }
  for (let j = most; j < x.length; j++) s0 += c[at + j]! * factor * x[j]!;
  return s0 + s1 + (s2 + s3);
}

/** A product with 0 is 0 for finite elements and NaN for others, which a sum then keeps. */
export function allFinite(c: FloatArray): boolean {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0; // prettier-ignore
  const most = c.length - (c.length % 4);
  for (let j = 0; j < most; j += 4) {
    s0 += c[j]! * 0;
    s1 += c[j + 1]! * 0;
    s2 += c[j + 2]! * 0;
    s3 += c[j + 3]! * 0;
  }
  for (let j = most; j < c.length; j++) s0 += c[j]! * 0;
  return s0 + s1 + s2 + s3 === 0;
}
