import { describe, expect, it } from 'vitest';
import { FreivaldsCheck } from './freivalds.js';
import type { Check, Dtype } from './input.js';
import { arrayOn, type FloatArray } from './kernel/kernel.js';
import { fill } from './random.js';

interface Product {
  m: number;
  k: number;
  n: number;
  dtype: Dtype;
  a: FloatArray;
  b: FloatArray;
  c: FloatArray;
}

type Element = (row: number, col: number) => number;

const make = (dtype: Dtype, rows: number, cols: number, of: Element): FloatArray => {
  const array = arrayOn(dtype, new ArrayBuffer(Math.max(64, rows * cols * 8)), rows * cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) array[i * cols + j] = of(i, j);
  return array;
};

/** The product by a naive loop in the elements' own precision: the worst order of summation that a kernel has. */
function naive(
  dtype: Dtype,
  [m, k, n]: readonly [number, number, number],
  ofA: Element,
  ofB: Element,
): Product {
  const a = make(dtype, m, k, ofA);
  const b = make(dtype, k, n, ofB);
  const round = dtype === 'float64' ? (x: number): number => x : Math.fround;
  const c = make(dtype, m, n, (i, j) => {
    let sum = 0;
    for (let p = 0; p < k; p++) sum = round(sum + round(a[i * k + p]! * b[p * n + j]!));
    return sum;
  });
  return { m, k, n, dtype, a, b, c };
}

async function check({ m, k, n, dtype, a, b, c }: Product, seed = 1, kBlock = 7): Promise<Check> {
  const panelRows = Math.ceil(m / 2);
  const pause = (): Promise<void> => Promise.resolve();
  const freivalds = new FreivaldsCheck({ k, n, dtype, panelRows, kBlock, seed, pause });
  for (let r0 = 0; r0 < m; r0 += panelRows) {
    const rows = Math.min(panelRows, m - r0);
    freivalds.startPanel();
    for (let p = 0; p < k; p += kBlock) {
      const depth = Math.min(kBlock, k - p);
      await freivalds.absorb({
        a: a.subarray(r0 * k + p),
        lda: k,
        b: b.subarray(p * n),
        ldb: n,
        rows,
        depth,
      });
    }
    await freivalds.finishPanel({ c: c.subarray(r0 * n), ldc: n, rows, r0 });
  }
  return freivalds.result();
}

const uniform = (seed: number): Element => {
  const numbers = new Float64Array(100_000);
  fill(numbers, seed, 0, numbers.length);
  return (i, j) => numbers[(i * 211 + j) % numbers.length]!;
};
const [u, v] = [uniform(1), uniform(2)];
const shape = [24, 31, 29] as const;

const data: readonly (readonly [string, Element, Element])[] = [
  ['uniform numbers', u, v],
  ['integers', (i, j) => (i * 7 + j) % 9, (i, j) => ((i + j * 5) % 11) - 5],
  ['zeros', () => 0, v],
  [
    'numbers near the largest times numbers near the smallest',
    (i, j) => u(i, j) * 1e300,
    (i, j) => v(i, j) * 1e-300,
  ],
  ['numbers whose products are subnormal', (i, j) => u(i, j) * 1e-160, (i, j) => (v(i, j) - 0.5) * 1e-158],
  ['subnormal numbers times large ones', (i, j) => u(i, j) * 1e-310, (i, j) => v(i, j) * 1e300],
  ['products that underflow to nothing', (i, j) => u(i, j) * 1e-200, (i, j) => v(i, j) * 1e-200],
  [
    'rows and columns of very different sizes',
    (i, j) => u(i, j) * 2 ** (i * 60 - 700),
    (i, j) => v(i, j) * 2 ** (200 - j * 30),
  ],
  [
    'sizes that cancel in the sum over k',
    (i, j) => u(i, j) * 2 ** (j * 60 - 900),
    (i, j) => v(i, j) * 2 ** (900 - i * 60),
  ],
  [
    'zeros in a where b is huge, and tiny b elsewhere',
    (i, j) => (j % 2 === 0 ? 0 : u(i, j)),
    (i, j) => v(i, j) * (i % 2 === 0 ? 1e300 : 1e-300),
  ],
  [
    'catastrophic cancellation',
    (i, j) => (j % 2 === 0 ? 1 : -1) * (1e8 + (i % 3)),
    (i, j) => 1e8 + ((i >> 1) % 5) + j,
  ],
  ['sums near the largest number', (i, j) => u(i, j) * 1e154, (i, j) => (v(i, j) - 0.5) * 5e153],
  ['a product of ones, whose check sums whole numbers', () => 1, () => 1],
];

describe('the check of a product', () => {
  it.each(data)('passes for %s', async (_, ofA, ofB) => {
    const product = naive('float64', shape, ofA, ofB);
    expect(product.c.every((x) => Number.isFinite(x))).toBe(true);
    for (const seed of [1, 2, 3, 4])
      for (const kBlock of [1, 7, 31]) {
        const result = await check(product, seed, kBlock);
        expect(result).toMatchObject({ status: 'passed' });
        if (result.status !== 'passed') return;
        expect(result.ratio).toBeLessThanOrEqual(1);
        expect(Number.isFinite(result.residual) && Number.isFinite(result.bound)).toBe(true);
      }
  });

  it.each([
    ['uniform numbers', u, v],
    ['one constant, where rounding errors add up', () => 0.1, () => 0.3],
    ['large times small', (i, j) => u(i, j) * 1e30, (i, j) => v(i, j) * 1e-30],
    ['subnormal products', (i, j) => u(i, j) * 1e-25, (i, j) => v(i, j) * 1e-18],
  ] satisfies [string, Element, Element][])('passes for float32 and %s', async (_, ofA, ofB) => {
    for (const size of [shape, [3, 5000, 40] as const]) {
      const result = await check(naive('float32', size, ofA, ofB), 5, 512);
      expect(result).toMatchObject({ status: 'passed' });
      if (result.status === 'passed') expect(result.ratio).toBeLessThanOrEqual(1);
    }
  });

  it.each(data.filter(([name]) => !/zeros$|underflow to nothing/.test(name)))(
    'finds one wrong element by every seed, for %s',
    async (_, ofA, ofB) => {
      const product = naive('float64', shape, ofA, ofB);
      const { n, k, a, b, c } = product;
      for (let seed = 0; seed < 300; seed++) {
        const row = seed % product.m;
        // Only what is beyond the rounding that the data allows is an error: here 1e-9 of the row's size.
        let size = 0;
        for (let p = 0; p < k; p++)
          for (let j = 0; j < n; j++) size += Math.abs((a[row * k + p]! * b[p * n + j]!) / 1e9);
        const place = row * n + ((seed * 5) % n);
        const right = c[place]!;
        c[place] = right + size + n * k * 2 ** -1073;
        await expect(check(product, seed, 31)).rejects.toMatchObject({
          code: 'wrong-product',
          permanent: false,
          message: expect.stringContaining(`row ${row + 1}:`) as string,
        });
        c[place] = right;
      }
    },
  );

  it('finds an element that was left out of a float32 product of some size', async () => {
    const product = naive('float32', [2, 3000, 600], u, v);
    product.c[777] = 0;
    await expect(check(product, 3, 500)).rejects.toMatchObject({ code: 'wrong-product' });
  });

  it('finds two rows that changed places, by nearly every seed', async () => {
    const product = naive('float64', shape, u, v);
    product.c.set(product.c.slice(29, 58), 0);
    const found = await Promise.all(
      Array.from({ length: 200 }, (_, seed) =>
        check(product, seed).then(
          () => 0,
          () => 1,
        ),
      ),
    );
    expect(found.reduce<number>((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(199);
  });

  it('says not checked for a product that overflows, and where', async () => {
    const product = naive(
      'float64',
      shape,
      (i, j) => (i === 20 ? 1e200 : u(i, j)),
      () => 1e200,
    );
    expect(await check(product)).toEqual({
      status: 'not checked',
      reason: 'the product holds infinities or NaN, first in row 21, column 1',
    });
  });

  it('says not checked for data that is not finite', async () => {
    const inA = naive('float64', shape, (i, j) => (i === 3 && j === 4 ? NaN : u(i, j)), v);
    expect(await check(inA)).toMatchObject({ status: 'not checked', reason: 'a holds infinities or NaN' });
    const inB = naive('float64', shape, u, (i, j) => (i === 3 && j === 4 ? -Infinity : v(i, j)));
    expect(await check(inB)).toMatchObject({ status: 'not checked', reason: 'b holds infinities or NaN' });
  });

  it('takes an infinity for an error where the data cannot overflow', async () => {
    const product = naive('float64', shape, u, v);
    product.c[100] = Infinity;
    await expect(check(product)).rejects.toMatchObject({ code: 'wrong-product' });
    product.c[100] = NaN;
    await expect(check(product)).rejects.toMatchObject({ code: 'wrong-product' });
  });

  it('says not checked where float32 has no rounding bound for so many terms', () => {
    const pause = (): Promise<void> => Promise.resolve();
    const huge = { k: 10_000_000, n: 1, dtype: 'float32', panelRows: 1, kBlock: 1, seed: 1, pause } as const;
    expect(new FreivaldsCheck(huge).result()).toMatchObject({ status: 'not checked' });
    expect(new FreivaldsCheck({ ...huge, dtype: 'float64' }).result()).toMatchObject({ status: 'passed' });
  });
});
