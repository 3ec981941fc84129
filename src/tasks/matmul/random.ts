/**
 * Uniform numbers in [0, 1) as a pure function of a seed and a position, so that any block of a random matrix
 * can be made by itself, again, and in another language.
 *
 * All arithmetic is on unsigned 32-bit integers, modulo 2^32. Element `i` of seed `s`, where `i = row · cols +
 * col`, `low = i mod 2^32` and `high = ⌊i / 2^32⌋`:
 *
 *     mix(x, k):  x ^= x >> 16;  x *= 0x7feb352d;  x ^= k;  x ^= x >> 15;  x *= 0x846ca68b;  return x ^ (x >> 16)
 *     mix(x)    = mix(x, 0)
 *     key1      = mix(s + 0x9e3779b9)
 *     key2      = mix(key1 ^ high)
 *     key3      = mix(key2 + 0x9e3779b9)
 *     u         = mix(low ^ key2, key3)
 *     v         = mix(u + key1)
 *     element   = ((u >> 5) · 2^26 + (v >> 6)) / 2^53
 *
 * As float32 the element is that number rounded to nearest, or 1 − 2^−24 where it would round to 1.
 * In numpy: the same lines on `uint32` arrays, `>>` and `*` as they are.
 */
import type { FloatArray } from './kernel/kernel.js';

const two32 = 4_294_967_296;
const largestFloat32BelowOne = 1 - 2 ** -24;

/**
 * A bijection of 32-bit integers; signed in, signed out. The key goes in half-way, so that the sequences of two
 * seeds are not shifts or permutations of each other that the eye could find.
 */
function mix(value: number, key = 0): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d) ^ key;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

/** Fills `target` from its start with the elements `firstIndex` … `firstIndex + count − 1` of the seed. */
export function fill(target: FloatArray, seed: number, firstIndex: number, count: number): void {
  if (count > target.length) throw new RangeError('the target is shorter than the elements asked for');
  let index = firstIndex;
  let at = 0;
  while (at < count) {
    const low = index % two32;
    const run = Math.min(count - at, two32 - low);
    fillRun(target, at, seed, low, Math.floor(index / two32), run);
    at += run;
    index += run;
  }
}

/** One function per element type, because a call site that sees both kinds of array is several times slower. */
function fillRun(target: FloatArray, at: number, seed: number, low: number, high: number, run: number): void {
  const key1 = mix(seed + 0x9e3779b9);
  const key2 = mix(key1 ^ high);
  const key3 = mix(key2 + 0x9e3779b9);
  if (target instanceof Float64Array) fillRun64(target, at, low, run, key1, key2, key3);
  else fillRun32(target, at, low, run, key1, key2, key3);
}

function fillRun64(
  target: Float64Array,
  at: number,
  low: number,
  run: number,
  key1: number,
  key2: number,
  key3: number,
): void {
  for (let i = 0; i < run; i++) {
    const u = mix((low + i) ^ key2, key3);
    const v = mix((u + key1) | 0);
    target[at + i] = ((u >>> 5) * 67_108_864 + (v >>> 6)) * 2 ** -53;
  }
}

function fillRun32(
  target: Float32Array,
  at: number,
  low: number,
  run: number,
  key1: number,
  key2: number,
  key3: number,
): void {
  for (let i = 0; i < run; i++) {
    const u = mix((low + i) ^ key2, key3);
    const v = mix((u + key1) | 0);
    const rounded = Math.fround(((u >>> 5) * 67_108_864 + (v >>> 6)) * 2 ** -53);
    target[at + i] = rounded === 1 ? largestFloat32BelowOne : rounded;
  }
}

/** Random signs, +1 or −1, for the check; `count` of them from position `firstIndex` of the seed on. */
export function signs(seed: number, count: number, firstIndex = 0): Float64Array {
  const result = new Float64Array(count);
  fill(result, seed, firstIndex, count);
  for (let i = 0; i < count; i++) result[i] = result[i]! < 0.5 ? -1 : 1;
  return result;
}

/** A seed from text (FNV-1a, mixed). */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash) >>> 0;
}
