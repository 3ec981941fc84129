import { describe, expect, it } from 'vitest';
import { MemoryBlobs } from '../testing/memory-blobs.js';
import { Uploads } from '../http/uploads.js';
import { DrayError } from '../jobs/errors.js';
import { RawValueSink } from '../json/raw.js';
import { createMatmul } from '../tasks/matmul/index.js';
import { TaskRegistry } from '../tasks/registry.js';
import { misfitOf } from './fastapi-errors.js';
import { readMatrices } from './matrices.js';

const tasks = new TaskRegistry([createMatmul({ environment: {} })]);

function setUp(bodyLimit = 1_000_000) {
  const blobs = new MemoryBlobs();
  return { blobs, context: { tasks, blobs, uploads: new Uploads(blobs), bodyLimit } };
}

// eslint-disable-next-line @typescript-eslint/require-await -- the reader takes a stream
async function* inChunks(text: string, size = text.length): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function refusal(text: string, size?: number): Promise<DrayError> {
  const { context } = setUp();
  const error = await readMatrices(inChunks(text, size), context).catch((caught: unknown) => caught);
  if (error instanceof DrayError) return error;
  throw new Error(`not refused: ${text}`);
}

describe('a body of matrices', () => {
  it.each([
    ['upper-case names', '{"A":[[1,2]],"B":[[3],[4]]}'],
    ['lower-case names', '{"a":[[1,2]],"b":[[3],[4]]}'],
    ['names of both cases', '{"A":[[1,2]],"b":[[3],[4]]}'],
    ['the second matrix first', '{ "B" : [[3], [4]], "A": [[1, 2]] }'],
  ])('is read with %s, wherever its chunks end', async (_title, text) => {
    for (const size of [1, 2, 3, 5, text.length]) {
      const read = await readMatrices(inChunks(text, size), setUp().context);
      expect(read).toEqual({ type: 'matmul', input: { a: [[1, 2]], b: [[3], [4]] } });
    }
  });

  it('is stored as one blob where the matrices are large', async () => {
    const { blobs, context } = setUp();
    const text = JSON.stringify(
      Array.from({ length: 100 }, (_, row) => new Array<number>(100).fill(row + 0.25)),
    );
    const read = await readMatrices(inChunks(`{"B":${text},"A":${text}}`, 10_000), context);
    const [blob] = await blobs.list({ limit: 2 });
    const shape = { blob, rows: 100, cols: 100, dtype: 'float64', order: 'C' };
    expect(read!.input).toEqual({ b: { ...shape, offset: 0 }, a: { ...shape, offset: 80_000 } });
    expect(blobs.bytes(blob!)).toHaveLength(160_000);
  });

  it('may have other members where its reader knows them', async () => {
    const size = new RawValueSink({ field: 'size' });
    const others = new Map([['size', size]]);
    expect(await readMatrices(inChunks('{"size":7}'), setUp().context, others)).toBeUndefined();
    expect(size.value()).toBe(7);
  });

  it('without a matrix is for the caller to judge', async () => {
    expect(await readMatrices(inChunks('{}'), setUp().context)).toBeUndefined();
  });

  it('above the limit is refused', async () => {
    const reading = readMatrices(inChunks('{"A":[[1,2]],"B":[[3],[4]]}', 4), setUp(20).context);
    await expect(reading).rejects.toMatchObject({ code: 'body-too-large' });
  });
});

describe('a body of matrices is refused', () => {
  it.each<[title: string, body: string, type: string, loc: (string | number)[], msg: RegExp]>([
    ['without B', '{"A":[[1]]}', 'missing', ['B'], /^B: the matrix is missing/],
    ['without a, in the case of b', '{"b":[[1]]}', 'missing', ['a'], /^a: the matrix is missing/],
    ['with a member that is not known', '{"A":[[1]],"C":1}', 'extra_forbidden', ['C'], /^C: /],
    ['with a name that every object has', '{"constructor":1}', 'extra_forbidden', ['constructor'], /./],
    ['with one matrix in both cases', '{"A":[[1]],"a":[[1]]}', 'value_error', ['a'], /same matrix as A/],
    ['with one matrix twice', '{"A":[[1]],"A":[[1]]}', 'json_invalid', ['A'], /twice/],
    ['with a number for a matrix', '{"A":1}', 'list_type', ['A'], /list of rows/],
    ['with a reference for a matrix', '{"A":{"blob":"x"}}', 'list_type', ['A'], /list of rows/],
    ['with a flat list', '{"A":[1]}', 'value_error', ['A', 0], /row 1/],
    ['with a third level', '{"A":[[[1]]]}', 'value_error', ['A', 0, 0], /list of rows/],
    ['with ragged rows', '{"A":[[1,2],[3,4],[5]]}', 'value_error', ['A', 2], /row 3 has 1/],
    ['with text among the numbers', '{"b":[[1,2],[3,"4"]]}', 'value_error', ['b', 1, 1], /without quotes/],
    ['with null among the numbers', '{"A":[[1,null]]}', 'value_error', ['A', 0, 1], /number/],
    ['with NaN', '{"A":[[1],[NaN]]}', 'value_error', ['A', 1, 0], /NaN.* as \.npy to \/v1\/jobs$/],
    ['with a number beyond double', '{"A":[[1e999]]}', 'value_error', ['A', 0, 0], /double/],
    ['with an empty matrix', '{"A":[]}', 'value_error', ['A'], /empty/],
    ['with an empty row', '{"A":[[1],[]]}', 'value_error', ['A', 1], /row 2 is empty/],
    [
      'with shapes that do not fit',
      '{"A":[[1,2,3]],"B":[[1],[2]]}',
      'value_error',
      ['B'],
      /A is 1 × 3 and B is 2 × 1: A has 3 columns, B has 2 rows/,
    ],
    ['that is no object', '[[1]]', 'value_error', [], /object/],
    ['that is not JSON', '{"A"; 1}', 'json_invalid', [4], /byte 4/],
    ['that ends early', '{"A":[[1,2', 'json_invalid', [10], /ends at byte 10/],
  ])('%s', async (_title, body, type, loc, msg) => {
    for (const size of [body.length, 1]) {
      const {
        detail: [fault, ...others],
      } = misfitOf(await refusal(body, size));
      expect(others).toEqual([]);
      expect(fault).toEqual({ type, loc: ['body', ...loc], msg: expect.stringMatching(msg) as unknown });
    }
  });
});
