import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlobWriter } from '../../blobs/blob-store.js';
import type { ValueSink } from '../../json/sink.js';
import { DrayError } from '../../jobs/errors.js';
import { matrixField } from './json-rows.js';

const id = '01890a5d-ac96-774b-bcce-b302099a8057';

/** A blob's writer that keeps what it is given. */
class MemoryWriter implements BlobWriter {
  readonly id = id;
  bytes = Buffer.alloc(0);
  readonly writes: number[] = [];

  get size(): number {
    return this.bytes.length;
  }

  async write(chunk: Uint8Array): Promise<void> {
    await Promise.resolve();
    this.bytes = Buffer.concat([this.bytes, chunk]);
    this.writes.push(chunk.length);
  }

  commit(): Promise<never> {
    return Promise.reject(new Error('the request commits, not the field'));
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }

  doubles(offset = 0): Float64Array {
    return new Float64Array(Uint8Array.from(this.bytes.subarray(offset)).buffer);
  }
}

interface Setup {
  sink: ValueSink;
  writer: MemoryWriter;
  /** How often the sink asked for the writer. */
  asked: () => number;
}

function setUp({ maxElements = 1e6, field = 'a', writer = new MemoryWriter() } = {}): Setup {
  let asked = 0;
  const makeWriter = (): Promise<BlobWriter> => {
    asked++;
    return Promise.resolve(writer);
  };
  return { sink: matrixField({ field, writer: makeWriter, maxElements }), writer, asked: () => asked };
}

/** Feeds the text in chunks of the given sizes, round and round. Returns the index of the first byte not taken. */
async function feed(sink: ValueSink, text: string, sizes: readonly number[] = [65_536]): Promise<number> {
  const bytes = Buffer.from(text);
  let at = 0;
  for (let i = 0; at < bytes.length && !sink.done; i++) {
    const chunk = bytes.subarray(at, at + sizes[i % sizes.length]!);
    const taken = sink.feed(chunk, 0);
    at += taken;
    if (taken < chunk.length) expect(sink.done).toBe(true);
    await sink.drain?.();
  }
  return at;
}

async function refusal(text: string, sizes?: readonly number[], maxElements?: number): Promise<DrayError> {
  const { sink } = setUp(maxElements === undefined ? {} : { maxElements });
  const error: unknown = await feed(sink, text, sizes).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DrayError)) throw new Error(`not refused: ${text.slice(0, 80)}`);
  return error;
}

const anyDouble = fc.double({ noNaN: true, noDefaultInfinity: true });
const matrix = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }))
  .chain(([rows, cols]) =>
    fc.array(fc.array(anyDouble, { minLength: cols, maxLength: cols }), { minLength: rows, maxLength: rows }),
  );
const chunkSizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 });
const space = fc.constantFrom('', '', ' ', '\n', '\r\n\t', '   ');

describe('matrix rows', () => {
  it('become the rows that JSON.parse gives, wherever chunks and white space fall', async () => {
    await fc.assert(
      fc.asyncProperty(matrix, space, chunkSizes, async (rows, blank, sizes) => {
        const compact = JSON.stringify(rows);
        const text = compact.replace(/[[\],]/g, (mark) => blank + mark + blank).trimStart();
        const { sink, asked } = setUp();
        await feed(sink, text, sizes);
        expect(sink.done).toBe(true);
        expect(sink.value()).toStrictEqual(JSON.parse(compact));
        expect(asked()).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('become the same bits in the blob where they hold a negative zero', async () => {
    await fc.assert(
      fc.asyncProperty(matrix, chunkSizes, async (rows, sizes) => {
        const flat = [-0, ...rows.flat()];
        const text = `[[${flat.map((value) => (Object.is(value, -0) ? '-0' : String(value))).join(',')}]]`;
        const { sink, writer, asked } = setUp();
        await feed(sink, text, sizes);
        const shape = { offset: 0, rows: 1, cols: flat.length, dtype: 'float64', order: 'C' };
        expect(sink.value()).toStrictEqual({ blob: id, ...shape });
        expect([...writer.doubles()]).toStrictEqual(flat);
        expect(asked()).toBe(1);
      }),
      { numRuns: 200 },
    );
  });

  it('end at their last bracket and leave what follows', async () => {
    const { sink } = setUp();
    expect(await feed(sink, '[[1, 2], [3, 4]] , "b": 7')).toBe('[[1, 2], [3, 4]]'.length);
    expect(sink.value()).toStrictEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('begin wherever the chunk says', () => {
    const { sink } = setUp();
    const chunk = Buffer.from('{"a":[[1.5]],');
    expect(sink.feed(chunk, 5)).toBe(12);
    expect(sink.value()).toStrictEqual([[1.5]]);
  });

  it('stay in the record up to 12 KiB of text and go to the blob above', async () => {
    const text = (length: number): string => `[[${'1,'.repeat((length - 5) / 2)}7]]`;
    const small = setUp();
    await feed(small.sink, text(12 * 1024 - 1));
    expect(small.sink.value()).toHaveLength(1);
    const large = setUp();
    await feed(large.sink, text(12 * 1024 + 1));
    expect(large.sink.value()).toMatchObject({ blob: id, rows: 1, cols: 6143 });
    expect(large.writer.doubles()).toHaveLength(6143);
  });

  it('go to the blob where the record would need more text than came', async () => {
    const { sink, writer } = setUp();
    await feed(sink, `[[${Array(1000).fill('1e20').join(',')}]]`);
    expect(sink.value()).toMatchObject({ blob: id, cols: 1000 });
    expect([...writer.doubles()]).toStrictEqual(Array(1000).fill(1e20));
  });

  it('are written in large pieces, and the pieces are the matrix', async () => {
    const rows = Array.from({ length: 400 }, (_, r) =>
      Array.from({ length: 500 }, (_, c) => Math.sin(r * 500 + c)),
    );
    const { sink, writer } = setUp();
    await feed(sink, JSON.stringify(rows));
    expect(sink.value()).toMatchObject({ rows: 400, cols: 500 });
    expect(writer.doubles()).toStrictEqual(Float64Array.from(rows.flat()));
    expect(writer.writes.length).toBeGreaterThan(1);
    expect(Math.min(...writer.writes.slice(0, -1))).toBeGreaterThanOrEqual(512 * 1024);
    expect(Math.max(...writer.writes)).toBeLessThan(1024 * 1024);
  });

  it('of two fields lie one behind the other in the blob', async () => {
    const writer = new MemoryWriter();
    const a = setUp({ writer });
    const b = setUp({ writer, field: 'b' });
    await feed(a.sink, '[[-0, 1, 2]]');
    await feed(b.sink, '[[3], [-0]]');
    expect(a.sink.value()).toMatchObject({ offset: 0, rows: 1, cols: 3 });
    expect(b.sink.value()).toMatchObject({ offset: 24, rows: 2, cols: 1 });
    expect([...writer.doubles(24)]).toStrictEqual([3, -0]);
  });

  it('give no value before they are written', async () => {
    const { sink } = setUp();
    sink.feed(Buffer.from('[[-0]]'), 0);
    expect(sink.done).toBe(true);
    expect(() => sink.value()).toThrow('not written');
    await sink.drain?.();
    expect(sink.value()).toMatchObject({ blob: id });
    expect(sink.drain?.()).toBeUndefined();
  });

  it('may be as many elements as the limit, and not one more', async () => {
    const { sink } = setUp({ maxElements: 6 });
    await feed(sink, '[[1,2,3],[4,5,6]]');
    expect(sink.done).toBe(true);
    const wide = `[[${'1,'.repeat(100)}1]]`;
    for (const [text, size] of [
      ['[[1,2,3],[4,5,6],[7,', 65_536],
      [wide, 65_536],
      [wide, 1],
    ] as const) {
      const error = await refusal(text, [size], 6);
      expect(error.code).toBe('limit-exceeded');
      expect(error.message).toContain('6 elements');
    }
  });

  it('count against the limit what is already written', async () => {
    // The blanks keep the last number away from the chunk's end, where numbers are read one by one.
    const text = `[[${'1,'.repeat(200_000)}1]]${' '.repeat(100)}`;
    expect((await refusal(text, [65_536], 200_000)).code).toBe('limit-exceeded');
    const { sink } = setUp({ maxElements: 200_001 });
    await feed(sink, text);
    expect(sink.value()).toMatchObject({ cols: 200_001 });
  });
});

const long = '0.12345678901234567,'.repeat(10);

describe('matrix refusals', () => {
  it.each([
    // text, place, words of the reason
    ['[[1,2],[3,01]]', 'row 2, column 2', '"01" is not a JSON number'],
    ['[[1,2],[+1,2]]', 'row 2, column 1', '"+1"'],
    ['[[.5]]', 'row 1, column 1', '".5"'],
    ['[[1.]]', 'row 1, column 1', '"1."'],
    ['[[1,-]]', 'row 1, column 2', '"-"'],
    ['[[1e]]', 'row 1, column 1', '"1e"'],
    ['[[1,2,NaN]]', 'row 1, column 3', 'send such a matrix as .npy'],
    ['[[Infinity]]', 'row 1, column 1', 'send such a matrix as .npy'],
    ['[[-Infinity]]', 'row 1, column 1', '"-" is not a JSON number'],
    ['[[1],[null]]', 'row 2, column 1', "found 'n'"],
    ['[[true]]', 'row 1, column 1', "found 't'"],
    ['[["1"]]', 'row 1, column 1', 'without quotes'],
    ['[[1,{}]]', 'row 1, column 2', "found '{'"],
    ['[[[1]]]', 'row 1, column 1', 'list of rows'],
    ['[[1,,2]]', 'row 1, column 2', "found ','"],
    ['[[1,]]', 'row 1, column 2', "expected a number, found ']'"],
    ['[[,1]]', 'row 1, column 1', "found ','"],
    ['[[1 2]]', 'row 1, column 1', "expected ',' or ']'"],
    ['[[0x10]]', 'row 1, column 1', "found 'x'"],
    ['[[1}]', 'row 1, column 1', "found '}'"],
    ['[[1\u00a0]]', 'row 1, column 1', 'byte 0xc2'],
    ['[[1e999]]', 'row 1, column 1', 'beyond double range'],
    ['[[1,2],[3,-1e309]]', 'row 2, column 2', 'beyond double range'],
    ['[[1,2],3]', 'row 2', 'expected a row'],
    ['[1,2]', 'row 1', 'expected a row'],
    ['[{"a":1}]', 'row 1', 'expected a row'],
    ['[[1],]', 'row 2', 'expected a row'],
    ['[[1][2]]', 'row 1', 'after the row'],
    ['[[1]}', 'row 1', 'after the row'],
    [`[[${'9'.repeat(5000)}]]`, 'row 1, column 1', 'longer than 4096 characters'],
  ])('name the place and the reason of %.40s', async (text, place, reason) => {
    // Once as a whole, once behind numbers that are read in a run, once byte by byte.
    const [row, column] = place.match(/\d+/g)!.map(Number);
    const shifted = column === undefined ? place : `row ${row!}, column ${column + (row === 1 ? 10 : 0)}`;
    const padded = column === undefined || row !== 1 ? text : text.replace('[[', `[[${long}`);
    const cases: [string, string, number][] = [
      [text, place, 65_536],
      [padded + ' '.repeat(100), shifted, 65_536],
      [text, place, 1],
    ];
    for (const [input, where, size] of cases) {
      const error = await refusal(input, [size]);
      expect(error.message).toMatch(new RegExp(`^a: ${where}: `));
      expect(error.message).toContain(reason);
      expect(error).toMatchObject({ code: 'invalid-matrix', field: 'a' });
    }
  });

  it.each([
    ['[]', 'a: the matrix is empty'],
    ['[ ]', 'a: the matrix is empty'],
    ['[[]]', 'a: row 1 is empty'],
    ['[[1],[ ]]', 'a: row 2 is empty'],
    ['[[1,2],[3]]', 'a: row 2 has 1 elements, the rows before it have 2'],
    ['[[1,2],[3,4],[5,6,7]]', 'a: row 3 has 3 elements, the rows before it have 2'],
  ])('say what is wrong with the shape of %s', async (text, message) => {
    for (const size of [65_536, 1]) {
      const error = await refusal(text, [size]);
      expect(error.code).toBe('invalid-matrix');
      expect(error.message).toContain(message);
    }
  });

  it('count rows on after a part of them is written', async () => {
    const row = `[${Array(1000).fill('0.5').join(',')}]`;
    const error = await refusal(`[${`${row},`.repeat(100)}[1,2]]`, [65_536]);
    expect(error.message).toContain('row 101 has 2 elements, the rows before it have 1000');
  });

  it('meet exactly the texts that are not a matrix to JSON.parse', async () => {
    const soup = fc.string({ unit: fc.constantFrom(...'11122,,,0.-eE+ \n[]n"'.split('')), maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(soup, fc.integer({ min: 1, max: 20 }), async (inner, size) => {
        const text = `[[${inner}]]`;
        const { sink, writer } = setUp();
        const taken = await feed(sink, text, [size]).catch(() => undefined);
        if (taken === undefined || !sink.done) {
          expect(parsedMatrix(text)).toBeUndefined();
        } else {
          const value = sink.value();
          const elements = Array.isArray(value) ? (value.flat() as number[]) : [...writer.doubles()];
          expect(elements).toStrictEqual(parsedMatrix(text.slice(0, taken)));
        }
      }),
      { numRuns: 10_000 },
    );
  });
});

/** The elements of a text that JSON.parse takes and that is a matrix. */
function parsedMatrix(text: string): number[] | undefined {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row))) return undefined;
  const width = rows[0]?.length ?? 0;
  const elements: unknown[] = rows.flat();
  const fits = width > 0 && rows.every((row) => row.length === width);
  return fits && elements.every((element) => Number.isFinite(element)) ? (elements as number[]) : undefined;
}

describe('other forms of a matrix', () => {
  it.each([
    { random: { rows: 2, cols: 3, seed: 1 } },
    { blob: id },
    { url: 's3://bucket/x.npy' },
    'text',
    null,
  ])('are given as they are: %j', async (value) => {
    for (const size of [65_536, 1]) {
      const { sink, asked } = setUp();
      const text = JSON.stringify(value);
      expect(await feed(sink, `${text},`, [size])).toBe(text.length);
      expect(sink.value()).toStrictEqual(value);
      expect(asked()).toBe(0);
    }
  });

  it('are refused above 4 KiB', async () => {
    const error = await refusal(JSON.stringify({ url: 'x'.repeat(5000) }));
    expect(error).toMatchObject({ code: 'limit-exceeded', field: 'a' });
  });
});
