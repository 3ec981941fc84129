import { describe, expect, it } from 'vitest';
import { MemoryBlobs } from '../../testing/memory-blobs.js';
import { npyHeader, readNpy } from './npy.js';
import { bytesOfBlob } from './stored-bytes.js';

interface Parts {
  magic?: string;
  version?: readonly [number, number];
  dict?: string;
  length?: number;
  data?: number;
}

const dictOf = (descr: string, order = 'False', shape = '(2, 3)'): string =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;

function npy({
  magic = '\x93NUMPY',
  version = [1, 0],
  dict = dictOf("'<f8'"),
  length,
  data = 48,
}: Parts): Uint8Array {
  const size = Buffer.alloc(version[0] === 1 ? 2 : 4);
  if (version[0] === 1) size.writeUInt16LE(length ?? Buffer.byteLength(dict));
  else size.writeUInt32LE(length ?? Buffer.byteLength(dict));
  return Buffer.concat([
    Buffer.from(magic, 'latin1'),
    Buffer.from(version),
    size,
    Buffer.from(dict),
    Buffer.alloc(data),
  ]);
}

async function read(parts: Parts | Uint8Array) {
  const blobs = new MemoryBlobs();
  const bytes = parts instanceof Uint8Array ? parts : npy(parts);
  return readNpy(await bytesOfBlob(blobs, blobs.put(bytes), 'input.a'), 'input.a');
}

describe('npy headers', () => {
  it('are read in versions 1, 2 and 3', async () => {
    for (const major of [1, 2, 3])
      expect(await read({ version: [major, 0] })).toMatchObject({
        rows: 2,
        cols: 3,
        dtype: 'float64',
        order: 'C',
      });
  });

  it('say where the elements start', async () => {
    expect((await read({})).offset).toBe(10 + dictOf("'<f8'").length);
    expect((await read({ version: [2, 0] })).offset).toBe(12 + dictOf("'<f8'").length);
  });

  it.each([
    ['<f4', 'float32', 4],
    ['|i1', 'int8', 1],
    ['|u1', 'uint8', 1],
    ['<i2', 'int16', 2],
    ['<u4', 'uint32', 4],
    ['<i8', 'int64', 8],
    ['<u8', 'uint64', 8],
  ])('know %s', async (descr, dtype, size) => {
    const raw = await read({ dict: dictOf(`'${descr}'`, 'True'), data: 6 * size });
    expect(raw).toMatchObject({ dtype, order: 'F' });
  });

  it('may order their entries freely and leave out the last comma', async () => {
    const dict = `{"shape":(2,3), 'fortran_order' : True,'descr':'<f8'}`;
    expect(await read({ dict })).toMatchObject({ rows: 2, cols: 3, order: 'F' });
  });

  it.each<[string, Parts | Uint8Array, RegExp]>([
    ['other files', { magic: '\x93NUMPX' }, /numpy\.save/],
    ['an empty file', new Uint8Array(0), /numpy\.save/],
    ['a file that ends in the header', npy({}).subarray(0, 40), /ends inside of its header/],
    ['a version 2 file of eleven bytes', npy({ version: [2, 0] }).subarray(0, 11), /ends inside/],
    ['a version from the future', { version: [4, 0] }, /version 4\.0/],
    ['a minor version', { version: [1, 1] }, /version 1\.1/],
    ['a header longer than the file', { length: 60_000 }, /ends inside of its header/],
    ['a giant header', { version: [2, 0], length: 2 ** 31 }, /not that of a plain array/],
    ['big-endian elements', { dict: dictOf("'>f8'") }, /big-endian.*astype/],
    ['elements of the machine’s own order', { dict: dictOf("'=f8'") }, /byte order/],
    ['elements without byte order', { dict: dictOf("'|f8'") }, /byte order/],
    ['objects', { dict: dictOf("'|O'") }, /not taken.*astype/],
    ['half precision', { dict: dictOf("'<f2'") }, /not taken/],
    ['complex numbers', { dict: dictOf("'<c16'") }, /not taken/],
    ['booleans', { dict: dictOf("'|b1'") }, /not taken/],
    ['long doubles', { dict: dictOf("'<f16'") }, /not taken/],
    ['structured arrays', { dict: dictOf("[('x', '<f8')]") }, /structured/],
    ['one dimension', { dict: dictOf("'<f8'", 'False', '(6,)') }, /1 dimensions.*reshape/],
    ['no dimension', { dict: dictOf("'<f8'", 'False', '()') }, /0 dimensions/],
    ['three dimensions', { dict: dictOf("'<f8'", 'False', '(1, 2, 3)') }, /3 dimensions/],
    ['an empty matrix', { dict: dictOf("'<f8'", 'False', '(0, 3)'), data: 0 }, /empty/],
    ['negative dimensions', { dict: dictOf("'<f8'", 'False', '(-2, -3)') }, /tuple of dimensions/],
    ['data shorter than the header says', { data: 40 }, /makes \d+ bytes, but the file has/],
    ['data longer than the header says', { data: 49 }, /makes \d+ bytes, but the file has/],
    ['dimensions beyond any file', { dict: dictOf("'<f8'", 'False', '(9999999999999999, 9)') }, /makes/],
    ['an entry twice', { dict: "{'descr': '<f8', 'descr': '<f8', 'shape': (2, 3), }" }, /twice/],
    ['a missing entry', { dict: "{'descr': '<f8', 'shape': (2, 3), }" }, /descr, fortran_order and shape/],
    ['an unknown entry', { dict: dictOf("'<f8'").replace('{', "{'x': True, ") }, /nothing else/],
    ['code', { dict: "__import__('os')" }, /descr, fortran_order and shape/],
    ['a wrong order', { dict: dictOf("'<f8'", "'C'") }, /fortran_order/],
  ])('refuse %s', async (_, parts, message) => {
    await expect(read(parts)).rejects.toMatchObject({
      code: 'invalid-npy',
      field: 'input.a',
      message: expect.stringMatching(message) as string,
    });
  });

  it('name the field of a blob that is not there', async () => {
    const gone = bytesOfBlob(new MemoryBlobs(), '01890000-0000-7000-8000-000000000000', 'input.b');
    await expect(gone).rejects.toMatchObject({ code: 'blob-not-found', field: 'input.b' });
  });

  it('that are written can be read, and align the elements', async () => {
    for (const [rows, cols] of [
      [1, 1],
      [4_000_000_000, 1],
      [12, 345_678],
    ] as const) {
      const header = npyHeader({ rows, cols, dtype: 'float32' });
      expect(header.length % 64).toBe(0);
      const text = Buffer.from(header).toString('latin1', 10);
      expect(text).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(\d+, \d+\), \} *\n$/);
    }
    const header = npyHeader({ rows: 2, cols: 3, dtype: 'float64' });
    const raw = await read(Buffer.concat([header, Buffer.alloc(48)]));
    expect(raw).toMatchObject({
      offset: 64 * Math.ceil(header.length / 64),
      rows: 2,
      cols: 3,
      dtype: 'float64',
    });
  });
});
