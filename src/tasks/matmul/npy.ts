/**
 * Headers of `.npy` files, format versions 1 to 3: strict, because what they say decides how bytes are read.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { DrayError } from '../../jobs/errors.js';
import type { Dtype, Layout, StoredDtype } from './input.js';
import { storedSize } from './stored.js';
import type { StoredBytes } from './stored-bytes.js';

const dtypes: Readonly<Record<string, StoredDtype>> = {
  f8: 'float64',
  f4: 'float32',
  i1: 'int8',
  u1: 'uint8',
  i2: 'int16',
  u2: 'uint16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
};

/** Far above what numpy writes for a plain array; a larger one is a mistake or an attack. */
const largestHeader = 65_535;

/**
 * Reads the header of a `.npy` file and says where its elements are.
 * @throws DrayError `invalid-npy`, naming `field`.
 */
export async function readNpy(file: StoredBytes, field: string): Promise<Layout> {
  const refuse = (reason: string): never => {
    throw new DrayError('invalid-npy', `${field}: ${reason}`, { field });
  };
  const start = new Uint8Array(Math.min(12, file.size));
  await file.readInto({ offset: 0, target: start });
  if (start.length < 10 || Buffer.from(start.subarray(0, 6)).toString('latin1') !== '\x93NUMPY')
    refuse('the data does not start as a .npy file does; write it with numpy.save');
  const major = start[6]!;
  if (major < 1 || major > 3 || start[7] !== 0)
    refuse(`.npy version ${major}.${start[7]!} is not known; versions 1.0 to 3.0 are`);
  const view = new DataView(start.buffer);
  const prefix = major === 1 ? 10 : 12;
  if (file.size < prefix) refuse('the file ends inside of its header');
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > largestHeader) refuse(`a header of ${length} bytes is not that of a plain array`);
  if (prefix + length > file.size) refuse('the file ends inside of its header');
  const header = new Uint8Array(length);
  await file.readInto({ offset: prefix, target: header });
  const described = parseHeader(Buffer.from(header).toString(major === 3 ? 'utf8' : 'latin1'), refuse);
  const offset = prefix + length;
  const expected = offset + described.rows * described.cols * storedSize[described.dtype];
  if (file.size !== expected)
    refuse(
      `the header says ${described.rows} × ${described.cols} ${described.dtype}, which makes ${expected} bytes, ` +
        `but the file has ${file.size}`,
    );
  return { offset, ...described };
}

type Described = Omit<Layout, 'offset'>;
type Refuse = (reason: string) => never;

function parseHeader(text: string, refuse: Refuse): Described {
  const values = parseDict(text, refuse);
  const order = values.get('fortran_order');
  if (order !== 'True' && order !== 'False') refuse('fortran_order in the header is neither True nor False');
  const { rows, cols } = parseShape(values.get('shape') ?? '', refuse);
  const dtype = parseDescr(values.get('descr') ?? '', refuse);
  return { rows, cols, dtype, order: order === 'True' ? 'F' : 'C' };
}

/** The three entries of the dictionary as text; each exactly once, and no others. */
function parseDict(text: string, refuse: Refuse): Map<string, string> {
  const body = /^\{(.*)\}\s*$/s.exec(text)?.[1];
  const values = new Map<string, string>();
  const entry = /\s*(['"])(\w+)\1\s*:\s*('[^']*'|"[^"]*"|True|False|\([^()]*\)|\[.*\])\s*(,|$)/sy;
  let at = 0;
  while (body !== undefined && body.slice(at).trim() !== '') {
    entry.lastIndex = at;
    const [, , key, value] = entry.exec(body) ?? [];
    if (key === undefined || value === undefined)
      refuse('the header is not the dictionary that numpy writes');
    else if (values.has(key)) refuse(`the header names ${key} twice`);
    else values.set(key, value);
    at = entry.lastIndex;
  }
  const keys = [...values.keys()].sort().join(', ');
  if (keys !== 'descr, fortran_order, shape')
    refuse('the header must be a dictionary with descr, fortran_order and shape, and nothing else');
  return values;
}

function parseShape(text: string, refuse: Refuse): { rows: number; cols: number } {
  const inside = /^\(\s*((?:\d{1,16}\s*,\s*)*(?:\d{1,16})?)\s*\)$/.exec(text)?.[1];
  if (inside === undefined) return refuse('shape in the header is not a tuple of dimensions');
  const dimensions = inside
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(Number);
  const [rows, cols] = dimensions;
  if (dimensions.length !== 2 || rows === undefined || cols === undefined)
    return refuse(
      `the array has ${dimensions.length} dimensions; a matrix has two, so use x.reshape(rows, cols) first`,
    );
  if (rows < 1 || cols < 1) refuse(`the matrix is empty: its shape is ${rows} × ${cols}`);
  return { rows, cols };
}

function parseDescr(text: string, refuse: Refuse): StoredDtype {
  if (text.startsWith('[')) refuse('structured arrays are not matrices; save one numeric field of it');
  const [, order, name] = /^['"]([<>|=]?)(\w+)['"]$/.exec(text) ?? [];
  const dtype = name === undefined ? undefined : dtypes[name];
  if (dtype === undefined)
    return refuse(
      `elements of type ${text.slice(0, 40)} are not taken: float64, float32 and integers are; ` +
        "convert with x.astype('<f8')",
    );
  if (order === '>') refuse("the elements are big-endian; convert with x.astype('<f8')");
  const oneByte = dtype === 'int8' || dtype === 'uint8';
  if (order !== '<' && !(oneByte && order === '|')) refuse(`${text} does not name a byte order`);
  return dtype;
}

/** A version 1.0 header in C order, of a multiple of 64 bytes so that what follows is aligned. */
export function npyHeader(shape: { rows: number; cols: number; dtype: Dtype }): Uint8Array {
  const descr = shape.dtype === 'float64' ? '<f8' : '<f4';
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.rows}, ${shape.cols}), }`;
  const size = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const header = Buffer.alloc(size, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(size - 10, 8);
  header.write(dict, 10, 'latin1');
  header.write('\n', size - 1);
  return header;
}
