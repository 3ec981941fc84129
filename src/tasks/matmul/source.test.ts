import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryBlobs } from '../../testing/memory-blobs.js';
import { checkLayout } from './stored-matrix.js';
import { storedDtypes, type Matrix, type RawBlob, type StoredDtype } from './input.js';
import { openSource } from './source.js';

const signal = new AbortController().signal;

const constructors = {
  float64: Float64Array,
  float32: Float32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const;

function bytesOf(dtype: StoredDtype, values: readonly number[]): Uint8Array {
  const array =
    dtype === 'int64'
      ? BigInt64Array.from(values, BigInt)
      : dtype === 'uint64'
        ? BigUint64Array.from(values, BigInt)
        : constructors[dtype].from(values);
  return new Uint8Array(array.buffer);
}

/** A matrix of which element (i, j) is a function of its place, stored as asked. */
function store(
  blobs: MemoryBlobs,
  dtype: StoredDtype,
  order: 'C' | 'F',
  rows: number,
  cols: number,
): RawBlob {
  const values: number[] = [];
  if (order === 'C') for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) values.push(at(i, j));
  else for (let j = 0; j < cols; j++) for (let i = 0; i < rows; i++) values.push(at(i, j));
  const offset = 7; // elements need not be aligned
  const blob = blobs.put(Buffer.concat([Buffer.alloc(offset), bytesOf(dtype, values)]));
  return { blob, offset, rows, cols, dtype, order };
}
const at = (i: number, j: number): number => (i * 31 + j * 7) % 127;

describe('matrix sources', () => {
  it('give any block of blobs of every type and order, and touch nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          dtype: fc.constantFrom(...storedDtypes),
          order: fc.constantFrom('C' as const, 'F' as const),
          rows: fc.integer({ min: 1, max: 70 }),
          cols: fc.integer({ min: 1, max: 70 }),
          cut: fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()),
          gap: fc.integer({ min: 0, max: 3 }),
          single: fc.boolean(),
        }),
        async ({ dtype, order, rows, cols, cut, gap, single }) => {
          const blobs = new MemoryBlobs();
          const source = await openSource(blobs, store(blobs, dtype, order, rows, cols), 'input.a');
          const r0 = cut[0] % rows;
          const r1 = r0 + 1 + (cut[1] % (rows - r0));
          const c0 = cut[2] % cols;
          const c1 = c0 + 1 + (cut[3] % (cols - c0));
          const ld = c1 - c0 + gap;
          const target = new (single ? Float32Array : Float64Array)((r1 - r0) * ld).fill(-5);
          await source.load({ r0, r1, c0, c1, target, ld, signal });
          const want = Array.from(target, (_, e) => {
            const j = e % ld;
            return j < c1 - c0 ? at(r0 + Math.floor(e / ld), c0 + j) : -5;
          });
          expect(Array.from(target)).toEqual(want);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each(['C', 'F'] as const)('read parts of lines too long to read whole in %s order', async (order) => {
    const blobs = new MemoryBlobs();
    const [rows, cols] = order === 'C' ? [5, 40_000] : [40_000, 5];
    const source = await openSource(blobs, store(blobs, 'float64', order, rows, cols), 'input.a');
    const target = new Float64Array(15);
    const [r0, r1, c0, c1] = order === 'C' ? [1, 4, 20_000, 20_005] : [20_000, 20_005, 1, 4];
    await source.load({ r0, r1, c0, c1, target, ld: c1 - c0, signal });
    const want = Array.from(target, (_, e) => at(r0 + Math.floor(e / (c1 - c0)), c0 + (e % (c1 - c0))));
    expect(Array.from(target)).toEqual(want);
  });

  it.each(['int64', 'uint64'] as const)(
    'take %s that float64 holds, and name the place of one it does not',
    async (dtype) => {
      const blobs = new MemoryBlobs();
      const load = async (values: readonly bigint[]): Promise<number[]> => {
        const array = dtype === 'int64' ? BigInt64Array.from(values) : BigUint64Array.from(values);
        const blob = blobs.put(new Uint8Array(array.buffer));
        const raw: RawBlob = { blob, offset: 0, rows: 2, cols: 2, dtype, order: 'C' };
        const source = await openSource(blobs, raw, 'input.b');
        const target = new Float64Array(4);
        await source.load({ r0: 0, r1: 2, c0: 0, c1: 2, target, ld: 2, signal });
        return Array.from(target);
      };
      const held = [0n, 2n ** 53n, 2n ** 62n + 1024n, dtype === 'int64' ? -(2n ** 63n) : 2n ** 64n - 2048n];
      expect(await load(held)).toEqual(held.map(Number));
      for (const bad of [2n ** 53n + 1n, 2n ** 63n - 1n])
        await expect(load([1n, 2n, bad, 4n])).rejects.toMatchObject({
          code: 'invalid-npy',
          permanent: true,
          message: expect.stringContaining('row 2, column 1') as string,
        });
    },
  );

  it('keep NaN, infinities and −0 of blobs as they are', async () => {
    const blobs = new MemoryBlobs();
    const values = [NaN, Infinity, -Infinity, -0];
    const blob = blobs.put(bytesOf('float64', values));
    const raw: RawBlob = { blob, offset: 0, rows: 2, cols: 2, dtype: 'float64', order: 'F' };
    const target = new Float64Array(4);
    await (
      await openSource(blobs, raw, 'input.a')
    ).load({ r0: 0, r1: 2, c0: 0, c1: 2, target, ld: 2, signal });
    expect(Array.from(target)).toEqual([NaN, -Infinity, Infinity, -0]);
  });

  it('give the same blocks of inline rows and random matrices as of the whole', async () => {
    const inline: Matrix = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    for (const matrix of [inline, { random: { rows: 2, cols: 3, seed: 5 } }]) {
      const source = await openSource(new MemoryBlobs(), matrix, 'input.a');
      const whole = new Float64Array(6);
      await source.load({ r0: 0, r1: 2, c0: 0, c1: 3, target: whole, ld: 3, signal });
      const part = new Float64Array(2);
      await source.load({ r0: 1, r1: 2, c0: 1, c1: 3, target: part, ld: 2, signal });
      expect(Array.from(part)).toEqual(Array.from(whole.subarray(4)));
    }
  });

  it('stop in the middle of a large random block once the signal aborts', async () => {
    const abort = new AbortController();
    const source = await openSource(
      new MemoryBlobs(),
      { random: { rows: 1000, cols: 2000, seed: 1 } },
      'input.a',
    );
    const target = new Float64Array(2_000_000);
    const loading = source.load({ r0: 0, r1: 1000, c0: 0, c1: 2000, target, ld: 2000, signal: abort.signal });
    abort.abort(new Error('cancelled'));
    await expect(loading).rejects.toThrow('cancelled');
    expect(target.at(-1)).toBe(0);
  });

  it('refuse elements that lie outside of their blob', () => {
    const blobs = new MemoryBlobs();
    const raw = store(blobs, 'int32', 'C', 3, 4);
    const { length } = blobs.bytes(raw.blob);
    checkLayout(raw, length, 'input.a');
    for (const bad of [
      { ...raw, rows: 4 },
      { ...raw, offset: 8 },
      { ...raw, dtype: 'float64' as const },
    ])
      expect(() => checkLayout(bad, length, 'input.a')).toThrow(
        expect.objectContaining({ code: 'invalid-matrix', field: 'input.a' }) as Error,
      );
  });
});
