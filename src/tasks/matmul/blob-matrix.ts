/** A matrix whose elements lie in a blob, read by ranges: any element type, C or Fortran order. */
import { DrayError } from '../../jobs/errors.js';
import { copyBlock, storedSize, storedView, type StoredArray } from './stored.js';
import type { RawBlob } from './input.js';
import type { FloatArray } from './kernel/kernel.js';
import type { LoadBlock, MatrixSource } from './source.js';
import type { TaskBlobs } from '../task.js';

/** Bytes that one read asks for, and the size of the buffer for what must be converted or turned. */
const readSize = 16 * 1024 * 1024;
/** Where fewer bytes than this lie between two wanted parts, reading them costs less than a second read. */
const smallGap = 64 * 1024;
/** Reads under way at a time where parts are read one by one. */
const lanes = 4;

export const missingBlob = (id: string, field: string): DrayError =>
  new DrayError('blob-not-found', `${field}: there is no blob ${id}`, { field });

/** @throws DrayError `blob-not-found` or `invalid-matrix` where the elements do not lie inside of the blob. */
export async function checkBlobMatrix(blobs: TaskBlobs, raw: RawBlob, field: string): Promise<void> {
  const info = await blobs.stat({ id: raw.blob });
  if (info === undefined) throw missingBlob(raw.blob, field);
  const end = raw.offset + raw.rows * raw.cols * storedSize[raw.dtype];
  if (end > info.size)
    throw new DrayError(
      'invalid-matrix',
      `${field}: ${raw.rows} × ${raw.cols} ${raw.dtype} from byte ${raw.offset} end at byte ${end}, ` +
        `but the blob has ${info.size}`,
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
export function blobMatrix(blobs: TaskBlobs, raw: RawBlob, field: string): MatrixSource {
  const size = storedSize[raw.dtype];
  const lineLength = raw.order === 'C' ? raw.cols : raw.rows;
  let buffer: ArrayBuffer | undefined;

  const read = (element: number, target: Uint8Array): Promise<void> =>
    blobs.readInto({ id: raw.blob, offset: raw.offset + element * size, target });

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
        const bytes = bytesOf(target, (r1 - r0) * raw.cols);
        for (let at = 0; at < bytes.length; at += readSize) {
          signal.throwIfAborted();
          await read(r0 * raw.cols + at / size, bytes.subarray(at, at + readSize));
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
