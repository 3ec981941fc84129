import { describe, expect, it } from 'vitest';
import { MemoryBlobs } from '../../testing/memory-blobs.js';
import { fractionsOf, taskContext } from '../../testing/task-context.js';
import { systemClock } from '../../clock.js';
import type { TaskContext } from '../task.js';
import { createMatmul } from './index.js';
import type { Dtype, MatmulInput, MatmulOutput, MatmulProduct, Matrix } from './input.js';
import { loadBlas } from './kernel/blas.js';
import { arrayOn, elementSize, type FloatArray, type Kernel } from './kernel/kernel.js';
import { noBlas } from './kernel/load.js';
import { plainKernel } from './kernel/plain.js';
import { multiply } from './multiply.js';
import { npyHeader, readNpy } from './npy.js';
import { memoryOverhead, plan, type Plan } from './plan.js';
import { fill } from './random.js';
import { openSource } from './source.js';
import { bytesOfBlob } from './stored-bytes.js';

const blas = await loadBlas({ environment: { OPENBLAS_CORETYPE: '' } }).catch(() => undefined);
const plain = createMatmul({ blas: noBlas, environment: {} });

async function multiplied(input: MatmulInput, context: TaskContext): Promise<MatmulProduct> {
  const output = await plain.run(input, context);
  if ('simulated' in output) throw new Error('the product was not computed');
  return output;
}

const random = (rows: number, cols: number, seed: number): Matrix => ({ random: { rows, cols, seed } });

async function load(blobs: MemoryBlobs, matrix: Matrix): Promise<Float64Array> {
  const source = await openSource(blobs, matrix, 'input');
  const target = new Float64Array(source.rows * source.cols);
  const all = { r0: 0, r1: source.rows, c0: 0, c1: source.cols, ld: source.cols };
  await source.load({ ...all, target, signal: new AbortController().signal });
  return target;
}

const variant = (kernel: Kernel, changes: Partial<Kernel>): Kernel => ({
  name: kernel.name,
  flopsPerCall: kernel.flopsPerCall,
  depthPerCall: kernel.depthPerCall,
  setThreads: (threads) => kernel.setThreads(threads),
  gemm64: (call) => kernel.gemm64(call),
  gemm32: (call) => kernel.gemm32(call),
  ...changes,
});

const distance = (x: Float64Array, y: Float64Array): number =>
  x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]!)), 0);

function naive(a: FloatArray, b: FloatArray, m: number, k: number, n: number): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) c[i * n + j]! += a[i * k + p]! * b[p * n + j]!;
  return c;
}

async function text(chunks: AsyncIterable<Uint8Array | string>): Promise<string> {
  let all = '';
  for await (const chunk of chunks) all += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
  return all;
}

const rowsOf = (output: MatmulOutput, blobs: MemoryBlobs): Promise<string> => {
  const json = plain.represent!(output).find(({ mediaType }) => mediaType === 'application/json');
  return text(json!.stream!(blobs));
};

/** Integers, so that the product is exact in every order of summation. */
function integers(blobs: MemoryBlobs, rows: number, cols: number, order: 'C' | 'F'): Matrix {
  const data = Int8Array.from({ length: rows * cols }, (_, i) => ((i * 37) % 23) - 11);
  return { blob: blobs.put(new Uint8Array(data.buffer)), offset: 0, rows, cols, dtype: 'int8', order };
}

function conforms(kernel: Kernel): void {
  const [m, k, n] = [57, 83, 41];
  const plans: [string, Partial<Plan>][] = [
    ['at once', {}],
    ['in panels over blocks of k', { panelRows: 20, kBlock: 16, holdA: true, buffersOfB: 2 }],
    [
      'in panels, with A in blocks too',
      { panelRows: 13, kBlock: 10, holdA: false, buffersOfA: 2, buffersOfB: 2 },
    ],
    ['in panels with all of B held', { panelRows: 10, kBlock: 83 }],
    [
      'one row and one column of A at a time',
      { panelRows: 1, kBlock: 1, holdA: false, buffersOfA: 2, buffersOfB: 2 },
    ],
  ];

  async function product(cut: Partial<Plan>, dtype: Dtype, flopsPerCall: number) {
    const blobs = new MemoryBlobs();
    const [a, b] = [integers(blobs, m, k, 'C'), integers(blobs, k, n, 'F')];
    const whole = plan({ m, k, n, elementSize: elementSize(dtype), budget: 1e9 });
    const cutPlan = { ...whole, ...cut };
    const { panelRows, kBlock, holdA } = cutPlan;
    const elements = { a: panelRows * (holdA ? k : kBlock), b: kBlock * n, c: panelRows * n };
    const chunks: Uint8Array[] = [];
    const fractions: number[] = [];
    const result = await multiply({
      a: await openSource(blobs, a, 'a'),
      b: await openSource(blobs, b, 'b'),
      dtype,
      plan: { ...cutPlan, elements },
      kernel: variant(kernel, { flopsPerCall, depthPerCall: 30 }),
      clock: systemClock,
      signal: new AbortController().signal,
      threads: () => 1,
      progress: (fraction) => fractions.push(fraction),
      checkSeed: 1,
      write: (bytes) => Promise.resolve(void chunks.push(bytes.slice())),
    });
    const bytes = Buffer.concat(chunks);
    const got = arrayOn(dtype, new Uint8Array(bytes).buffer, m * n);
    const want = naive(await load(blobs, a), await load(blobs, b), m, k, n);
    return { got, want, result, fractions };
  }

  for (const dtype of ['float64', 'float32'] as const)
    it.each(plans)(`makes the exact ${dtype} product of integers %s`, async (_, cut) => {
      for (const flopsPerCall of [1e9, 5000]) {
        const { got, want, result, fractions } = await product(cut, dtype, flopsPerCall);
        expect(Array.from(got)).toEqual(Array.from(want, (x) => x + 0));
        expect(result).toMatchObject({ finite: true, check: { status: 'passed' } });
        expect(fractions).toEqual(fractions.toSorted((x, y) => x - y));
        expect(fractions.at(-1)).toBeCloseTo(0.98);
      }
    });

  it('fails the attempt where a call goes wrong, and gives its buffers back', async () => {
    const size = 900; // small ones are left to the garbage collector
    const seen: FloatArray[] = [];
    const broken: Kernel = variant(kernel, {
      gemm64: async (call: Parameters<Kernel['gemm64']>[0]) => {
        await kernel.gemm64(call);
        seen.push(call.a, call.b, call.c);
        call.c[call.ldc + 1]! += 1;
      },
    });
    const blobs = new MemoryBlobs();
    const params = {
      a: await openSource(blobs, random(size, size, 1), 'a'),
      b: await openSource(blobs, random(size, size, 2), 'b'),
      dtype: 'float64' as const,
      plan: plan({ m: size, k: size, n: size, elementSize: 8, budget: 1e9 }),
      kernel: broken,
      clock: systemClock,
      signal: new AbortController().signal,
      threads: () => 1,
      progress: () => undefined,
      write: () => Promise.reject(new Error('a wrong product was written')),
    };
    await expect(multiply({ ...params, checkSeed: 7 })).rejects.toMatchObject({
      code: 'wrong-product',
      message: expect.stringContaining('row 2') as string,
    });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.filter((array) => array.length > 0)).toEqual([]);
    await expect(multiply({ ...params, checkSeed: undefined })).rejects.toThrow(
      'a wrong product was written',
    );
  });
}

describe('products by the TypeScript kernel', () => {
  conforms(plainKernel());
});

describe.skipIf(blas === undefined)('products by the CBLAS kernel', () => {
  conforms(blas ?? plainKernel());
});

describe('the task matmul', () => {
  it('gives a .npy blob, a checked summary and rows that parse to the same bits', async () => {
    const blobs = new MemoryBlobs();
    const context = taskContext({ blobs });
    const output = await multiplied({ a: random(40, 30, 1), b: random(30, 40, 2) }, context);
    expect(output).toMatchObject({
      rows: 40,
      cols: 40,
      dtype: 'float64',
      finite: true,
      kernel: 'typescript',
    });
    expect(output.check.status).toBe('passed');
    expect(fractionsOf(context).at(-1)).toBe(1);
    expect(await readNpy(await bytesOfBlob(blobs, output.blob!, 'x'), 'x')).toMatchObject({
      rows: 40,
      cols: 40,
      dtype: 'float64',
      order: 'C',
    });
    const c = await load(blobs, { blob: output.blob! });
    const want = naive(
      await load(blobs, random(40, 30, 1)),
      await load(blobs, random(30, 40, 2)),
      40,
      30,
      40,
    );
    expect(distance(c, want)).toBeLessThan(1e-13);
    expect((JSON.parse(await rowsOf(output, blobs)) as number[][]).flat()).toEqual(Array.from(c));
  });

  it('gives a small product within its output, as .npy and as rows, and makes no blob', async () => {
    const blobs = new MemoryBlobs();
    const output = await multiplied({ a: [[1, 2], [3, 4]], b: [[5, 0.1], [7, 8]] }, taskContext({ blobs })); // prettier-ignore
    expect(output).toMatchObject({ product: [[19, 16.1], [43, 32.3]], rows: 2, cols: 2 }); // prettier-ignore
    expect(output).not.toHaveProperty('blob');
    expect(await rowsOf(output, blobs)).toBe('[[19,16.1],[43,32.3]]');
    const npy = plain.represent!(output).find(({ mediaType }) => mediaType === 'application/x-npy')!.bytes!();
    expect(Array.from(await load(blobs, { blob: blobs.put(npy) }))).toEqual([19, 16.1, 43, 32.3]);
  });

  it('multiplies in float32 when asked to', async () => {
    const blobs = new MemoryBlobs();
    const input: MatmulInput = { a: [[0.1, 0.2]], b: [[1], [2]], dtype: 'float32', verify: false };
    const output = await multiplied(input, taskContext({ blobs }));
    expect(output.check).toEqual({ status: 'not checked', reason: 'the job asked for no check' });
    const value = Math.fround(Math.fround(0.1) + Math.fround(0.2) * 2);
    expect(await rowsOf(output, blobs)).toBe(`[[${value}]]`);
  });

  it.each([true, false])(
    'gives a product that overflows as .npy but not as JSON (check %s)',
    async (verify) => {
      const blobs = new MemoryBlobs();
      const output = await multiplied({ a: [[1e200], [1]], b: [[1e200, 1]], verify }, taskContext({ blobs }));
      expect(output).toMatchObject({ finite: false, check: { status: 'not checked' } });
      expect(Array.from(await load(blobs, { blob: output.blob! }))).toEqual([Infinity, 1e200, 1e200, 1]);
      await expect(rowsOf(output, blobs)).rejects.toMatchObject({ code: 'not-acceptable' });
    },
  );

  it('completes a product larger than its memory', async () => {
    const blobs = new MemoryBlobs();
    const [m, k, n] = [900, 300, 700];
    const memoryLimit = memoryOverhead(1) + 3_000_000; // the operands and the product take 8.9 MB
    const input: MatmulInput = { a: random(m, k, 1), b: random(k, n, 2) };
    const small = await multiplied(input, taskContext({ blobs, memoryLimit }));
    const large = await multiplied(input, taskContext({ blobs }));
    expect(small.check.status).toBe('passed');
    const [x, y] = [await load(blobs, { blob: small.blob! }), await load(blobs, { blob: large.blob! })];
    expect(distance(x, y)).toBeLessThan(1e-10);
  });

  it('fails for good where not one row fits', async () => {
    const run = plain.run(
      { a: random(1, 1, 1), b: random(1, 4_000_000, 2) },
      taskContext({ memoryLimit: memoryOverhead(1) + 10_000_000 }),
    );
    await expect(run).rejects.toMatchObject({ code: 'out-of-memory', permanent: true });
  });

  it('stops soon after the signal, and leaves no blob', async () => {
    const blobs = new MemoryBlobs();
    let calls = 0;
    const context = taskContext({
      blobs,
      onProgress: () => ++calls === 2 && context.controller.abort(new Error('cancel')),
    });
    const run = plain.run({ a: random(1500, 1500, 1), b: random(1500, 1500, 2) }, context);
    await expect(run).rejects.toThrow('cancel');
    expect(calls).toBe(2);
    expect(blobs.open).toBe(0);
    expect(await blobs.list({ limit: 10 })).toEqual([]);
  });
});

describe('rows of JSON', () => {
  const blobOf = (values: readonly number[], rows: number, cols: number, dtype: Dtype) => {
    const blobs = new MemoryBlobs();
    const data = dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values);
    const bytes = Buffer.concat([npyHeader({ rows, cols, dtype }), new Uint8Array(data.buffer)]);
    const output = { blob: blobs.put(bytes), rows, cols, dtype, finite: true } as MatmulOutput;
    return { output, blobs, data };
  };

  it('carry every bit: −0, subnormal, the largest and the awkward', async () => {
    const values = [-0, 0, 5e-324, -1.7976931348623157e308, 0.1, 1e21, 1e-7, 123456789012345680000, 1 / 3];
    const { output, blobs } = blobOf(values, 3, 3, 'float64');
    const json = await rowsOf(output, blobs);
    expect(json.startsWith('[[-0,0,5e-324],[')).toBe(true);
    const parsed = (JSON.parse(json) as number[][]).flat();
    parsed.forEach((x, i) => expect(Object.is(x, values[i])).toBe(true));
  });

  it.each([
    [1, 40_000],
    [40_000, 1],
    [3, 16_384],
    [5, 16_383],
    [7, 7001],
  ])('have their brackets in place over chunks, for %i × %i', async (rows, cols) => {
    const values = Array.from({ length: rows * cols }, (_, i) => i / 8);
    const { output, blobs, data } = blobOf(values, rows, cols, 'float32');
    const parsed = JSON.parse(await rowsOf(output, blobs)) as number[][];
    expect(parsed.length).toBe(rows);
    expect(parsed.every((row) => row.length === cols)).toBe(true);
    expect(parsed.flat()).toEqual(Array.from(data));
  });
});

describe('admitting matmul', () => {
  const blobs = new MemoryBlobs();
  const doubles = new Float64Array(6);
  fill(doubles, 1, 0, 6);
  const npy = blobs.put(
    Buffer.concat([npyHeader({ rows: 2, cols: 3, dtype: 'float64' }), new Uint8Array(doubles.buffer)]),
  );
  const admit = async (input: MatmulInput, maxMatrixElements = 1e6): Promise<MatmulInput> =>
    plain.admit!(input, { blobs, maxMatrixElements });
  const ok: Matrix = [[1], [2], [3]];
  const raw = { blob: npy, offset: 128, rows: 2, cols: 3, dtype: 'float64', order: 'C' } as const;

  it('replaces .npy blobs by what their headers say', async () => {
    const { a } = await admit({ a: { blob: npy }, b: ok });
    expect(a).toEqual({ ...raw, offset: npyHeader({ rows: 2, cols: 3, dtype: 'float64' }).length });
  });

  it.each<[string, MatmulInput, string, string, RegExp]>([
    [
      'shapes that do not fit',
      { a: ok, b: ok },
      'shape-mismatch',
      'input.b',
      /3 × 1.*3 × 1.*1 columns.*3 rows/,
    ],
    [
      'ragged rows',
      { a: [[1, 2], [3]], b: ok },
      'invalid-matrix',
      'input.a',
      /row 2 has 1 elements, row 1 has 2/,
    ],
    ['no rows', { a: [], b: ok }, 'invalid-matrix', 'input.a', /no rows/],
    ['empty rows', { a: ok, b: [[]] }, 'invalid-matrix', 'input.b', /row 1 is empty/],
    ['NaN', { a: [[1, 2, NaN]], b: ok }, 'invalid-matrix', 'input.a', /row 1, column 3/],
    [
      'random dimensions over the limit',
      { a: random(4e9, 4e9, 1), b: ok },
      'limit-exceeded',
      'input.a',
      /1000000/,
    ],
    [
      'a product over the limit',
      { a: random(2000, 1, 1), b: random(1, 2000, 1) },
      'limit-exceeded',
      'input',
      /product/,
    ],
    ['urls', { a: { url: 's3://x/y.npy' }, b: ok }, 'unsupported-source', 'input.a', /upload/],
    [
      'elements outside of a blob',
      { a: { ...raw, rows: 3 }, b: ok },
      'invalid-matrix',
      'input.a',
      /but the data has/,
    ],
    [
      'blobs that are not .npy',
      { a: { blob: blobs.put(new Uint8Array(99)) }, b: ok },
      'invalid-npy',
      'input.a',
      /./,
    ],
    [
      'blobs that are not there',
      { a: ok, b: { blob: '01890000-0000-7000-8000-000000000000' } },
      'blob-not-found',
      'input.b',
      /input\.b/,
    ],
  ])('refuses %s', async (_, input, code, field, message) => {
    const details = { code, field, message: expect.stringMatching(message) as string };
    await expect(admit(input)).rejects.toMatchObject(details);
  });

  it('takes a matrix at the limit', async () => {
    await admit({ a: random(1000, 1000, 1), b: random(1000, 1000, 1) });
  });
});
