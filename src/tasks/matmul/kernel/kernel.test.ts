import { describe, expect, it } from 'vitest';
import { loadBlas } from './blas.js';
import { arrayOn, type FloatArray, type Kernel } from './kernel.js';
import { loadKernel, noBlas } from './load.js';
import { plainKernel } from './plain.js';
import { fill } from '../random.js';

const blas = await loadBlas({ environment: { OPENBLAS_CORETYPE: '' } }).catch(() => undefined);

const shapes: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 7, 1],
  [3, 5, 2],
  [4, 4, 4],
  [17, 300, 9],
  [130, 259, 33],
  [5, 3, 1030],
];

function conforms(kernel: Kernel): void {
  const gemm = (dtype: 'float64' | 'float32', a: FloatArray, b: FloatArray, c: FloatArray, rest: Rest) =>
    dtype === 'float64'
      ? kernel.gemm64({ a: a as Float64Array, b: b as Float64Array, c: c as Float64Array, ...rest })
      : kernel.gemm32({ a: a as Float32Array, b: b as Float32Array, c: c as Float32Array, ...rest });

  for (const dtype of ['float64', 'float32'] as const) {
    it(`multiplies ${dtype} integers exactly, inside of larger arrays and without touching what is around`, async () => {
      for (const [m, k, n] of shapes) {
        const [lda, ldb, ldc] = [k + 2, n + 3, n + 1];
        const make = (length: number): FloatArray => arrayOn(dtype, new ArrayBuffer(length * 8), length);
        const [a, b, c] = [make(m * lda), make(k * ldb), make(m * ldc)];
        for (let i = 0; i < a.length; i++) a[i] = (i * 7) % 11;
        for (let i = 0; i < b.length; i++) b[i] = ((i * 5) % 13) - 6;
        c.fill(1000);
        await gemm(dtype, a, b, c, { lda, ldb, ldc, m, n, k, beta: 1 });
        const want = make(m * ldc).fill(1000);
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++)
            for (let p = 0; p < k; p++) want[i * ldc + j]! += a[i * lda + p]! * b[p * ldb + j]!;
        expect(c).toEqual(want);
      }
    });

    it(`is as close to the naive ${dtype} sum as rounding allows`, async () => {
      const n = 96;
      const make = (): FloatArray => arrayOn(dtype, new ArrayBuffer(n * n * 8), n * n);
      const [a, b, c] = [make(), make(), make()];
      fill(a, 1, 0, n * n);
      fill(b, 2, 0, n * n);
      c.fill(NaN); // beta = 0 must not read it
      await gemm(dtype, a, b, c, { lda: n, ldb: n, ldc: n, m: n, n, k: n, beta: 0 });
      const allowed = n * (dtype === 'float64' ? 2 ** -53 : 2 ** -24) * n * 2;
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let p = 0; p < n; p++) sum += a[i * n + p]! * b[p * n + j]!;
          expect(Math.abs(sum - c[i * n + j]!)).toBeLessThan(allowed);
        }
    });
  }

  it('refuses arrays that are too short before it touches them', async () => {
    const a = new Float64Array(6);
    const good = { a, b: a, c: a, lda: 2, ldb: 2, ldc: 2, m: 2, n: 2, k: 2, beta: 0 } as const;
    await kernel.gemm64({ ...good, c: new Float64Array(4) });
    for (const bad of [
      { m: 4 },
      { k: 3 },
      { ldb: 5 },
      { ldc: 1 },
      { n: 0 },
      { c: new Float64Array(3) },
      { lda: NaN },
      { lda: 2 ** 31 },
    ])
      await expect(kernel.gemm64({ ...good, ...bad })).rejects.toThrow(RangeError);
  });

  it('takes a change of threads between calls', async () => {
    for (const threads of [1, 2, 0, 1]) {
      kernel.setThreads(threads);
      const c = new Float64Array(1);
      const one = { lda: 1, ldb: 1, ldc: 1, m: 1, n: 1, k: 1, beta: 0 } as const;
      await kernel.gemm64({ a: Float64Array.of(3), b: Float64Array.of(4), c, ...one });
      expect(c[0]).toBe(12);
    }
  });
}

type Rest = { lda: number; ldb: number; ldc: number; m: number; n: number; k: number; beta: 0 | 1 };

describe('the TypeScript kernel', () => {
  conforms(plainKernel());
});

describe.skipIf(blas === undefined)('the CBLAS kernel', () => {
  conforms(blas ?? plainKernel());
});

describe('choosing a kernel', () => {
  it('takes the TypeScript one when told to use no library', async () => {
    const { kernel, advice } = await loadKernel({ path: noBlas, environment: {} });
    expect(kernel.name).toBe('typescript');
    expect(advice).toBeUndefined();
  });

  it('fails where the library that was named cannot be loaded', async () => {
    await expect(loadKernel({ path: '/no/such/library.so', environment: {} })).rejects.toThrow(
      /\/no\/such\/library\.so/,
    );
  });

  it('leaves the core type that the operator chose', async () => {
    const environment = { OPENBLAS_CORETYPE: 'Haswell' };
    await loadKernel({ environment });
    expect(environment.OPENBLAS_CORETYPE).toBe('Haswell');
  });
});
