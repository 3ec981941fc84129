/** A matrix whose elements lie in a blob or an object, read by ranges: any element type, C or Fortran order. */
import { DrayError } from '../../jobs/errors.js';
import { copyBlock, storedSize, storedView, type StoredArray } from './stored.js';
import type { Layout } from './input.js';
import type { FloatArray } from './kernel/kernel.js';
import type { LoadBlock, MatrixSource } from './source.js';
import type { StoredBytes } from './stored-bytes.js';

/** Bytes that one read asks for, and the size of the buffer for what must be converted or turned. */
const readSize = 16 * 1024 * 1024;
/** Where fewer bytes than this lie between two wanted parts, reading them costs less than a second read. */
const smallGap = 64 * 1024;
/** Reads under way at a time where parts are read one by one. */
const lanes = 4;

/** @throws DrayError `invalid-matrix` where the elements do not lie inside of the bytes. */
export function checkLayout(layout: Layout, size: number, field: string): void {
  const end = layout.offset + layout.rows * layout.cols * storedSize[layout.dtype];
  if (end > size)
    throw new DrayError(
      'invalid-matrix',
      `${field}: ${layout.rows} × ${layout.cols} ${layout.dtype} from byte ${layout.offset} end at byte ${end}, ` +
        `but the data has ${size}`,
      { field },
    );
}

/** Parts of equal length of several neighbouring lines (rows in C order, columns in F order), in one buffer. */
interface Piece {
  elements: StoredArray;
  /** The first line, and how many there are. */
  line: number;
  lines: number;
  /** The first element of each line, and how many there are. */
  from: number;
  width: number;
  /** Where `from` of the first line lies in `elements`, and how far it is to the next line. */
  at: number;
  stride: number;
}

/** One load at a time: what must be converted or turned goes through one buffer. */
export function storedMatrix(bytes: Pick<StoredBytes, 'readInto'>, raw: Layout, field: string): MatrixSource {
  const size = storedSize[raw.dtype];
  const lineLength = raw.order === 'C' ? raw.cols : raw.rows;
  let buffer: ArrayBuffer | undefined;

  const read = (element: number, target: Uint8Array): Promise<void> =>
    bytes.readInto({ offset: raw.offset + element * size, target });

  async function* pieces(l0: number, l1: number, from: number, to: number): AsyncGenerator<Piece> {
    buffer ??= new ArrayBuffer(Math.min(readSize, raw.rows * raw.cols * size));
    const elements = storedView(raw.dtype, buffer);
    const capacity = buffer.byteLength / size;
    if (lineLength <= capacity && (lineLength - (to - from)) * size <= smallGap) {
      const most = Math.floor(capacity / lineLength);
      for (let line = l0; line < l1; line += most) {
        const lines = Math.min(most, l1 - line);
        await read(line * lineLength, new Uint8Array(buffer, 0, lines * lineLength * size));
        yield { elements, line, lines, from, width: to - from, at: from, stride: lineLength };
      }
      return;
    }
    const stride = Math.min(to - from, capacity);
    const most = Math.floor(capacity / stride);
    for (let start = from; start < to; start += stride) {
      const width = Math.min(stride, to - start);
      for (let line = l0; line < l1; line += most) {
        const lines = Math.min(most, l1 - line);
        const part = (i: number): Uint8Array => new Uint8Array(buffer!, i * stride * size, width * size);
        await inLanes(lines, (i) => read((line + i) * lineLength + start, part(i)));
        yield { elements, line, lines, from: start, width, at: 0, stride };
      }
    }
  }

  return {
    rows: raw.rows,
    cols: raw.cols,
    async load({ r0, r1, c0, c1, target, ld, signal }: LoadBlock): Promise<void> {
      const native = raw.dtype === (target instanceof Float64Array ? 'float64' : 'float32');
      if (native && raw.order === 'C' && c1 - c0 === raw.cols && ld === raw.cols) {
        const wanted = bytesOf(target, (r1 - r0) * raw.cols);
        for (let at = 0; at < wanted.length; at += readSize) {
          signal.throwIfAborted();
          await read(r0 * raw.cols + at / size, wanted.subarray(at, at + readSize));
        }
        return;
      }
      const byRows = raw.order === 'C';
      for await (const p of byRows ? pieces(r0, r1, c0, c1) : pieces(c0, c1, r0, r1)) {
        signal.throwIfAborted();
        const [row, col] = byRows ? [p.line, p.from] : [p.from, p.line];
        copyBlock({
          from: p.elements,
          at: p.at,
          rowStride: byRows ? p.stride : 1,
          colStride: byRows ? 1 : p.stride,
          rows: byRows ? p.lines : p.width,
          cols: byRows ? p.width : p.lines,
          target,
          to: (row - r0) * ld + (col - c0),
          ld,
          inexact: (i, j) => inexact(field, row + i, col + j),
        });
      }
    },
  };
}

function inexact(field: string, row: number, col: number): DrayError {
  return new DrayError(
    'invalid-npy',
    `${field}: the integer in row ${row + 1}, column ${col + 1} is beyond 2^53 and no float64 holds it exactly; ` +
      'if rounding is acceptable, convert with x.astype(float)',
    { field },
  );
}

function bytesOf(array: FloatArray, elements: number): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, elements * array.BYTES_PER_ELEMENT);
}

async function inLanes(count: number, run: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}
