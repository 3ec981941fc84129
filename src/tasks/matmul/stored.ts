/** Elements as blobs hold them, little-endian, and their way into floating point. */
import type { StoredDtype } from './input.js';
import type { FloatArray } from './kernel/kernel.js';

/** Bytes per element. */
export const storedSize: Readonly<Record<StoredDtype, number>> = {
  float64: 8,
  float32: 4,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
};

type SmallArray = FloatArray | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

/** 64-bit integers are pairs of 32-bit halves, the low one first: BigInt elements would be far slower. */
export interface WideIntegers {
  low: Uint32Array;
  high: Int32Array | Uint32Array;
}
export type StoredArray = SmallArray | WideIntegers;

const views: Readonly<Record<StoredDtype, (buffer: ArrayBuffer) => StoredArray>> = {
  float64: (buffer) => new Float64Array(buffer, 0, Math.floor(buffer.byteLength / 8)),
  float32: (buffer) => new Float32Array(buffer, 0, Math.floor(buffer.byteLength / 4)),
  int8: (buffer) => new Int8Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  int16: (buffer) => new Int16Array(buffer, 0, Math.floor(buffer.byteLength / 2)),
  uint16: (buffer) => new Uint16Array(buffer, 0, Math.floor(buffer.byteLength / 2)),
  int32: (buffer) => new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4)),
  uint32: (buffer) => new Uint32Array(buffer, 0, Math.floor(buffer.byteLength / 4)),
  int64: (buffer) => ({ low: new Uint32Array(buffer), high: new Int32Array(buffer) }),
  uint64: (buffer) => ({ low: new Uint32Array(buffer), high: new Uint32Array(buffer) }),
};

export function storedView(dtype: StoredDtype, buffer: ArrayBuffer): StoredArray {
  return views[dtype](buffer);
}

export interface CopyBlock {
  from: StoredArray;
  /** Index of the block's first element, and the steps to the next row and column. */
  at: number;
  rowStride: number;
  colStride: number;
  rows: number;
  cols: number;
  target: FloatArray;
  /** Index in the target, and elements from row to row. */
  to: number;
  ld: number;
  /** The error for an integer that float64 does not hold exactly, at a row and column of the block. */
  inexact: (row: number, col: number) => Error;
}

/** Square blocks of this side stay in the first cache whichever way they are walked. */
const side = 32;

/** Copies a block, turning and converting as needed. float32 targets round to nearest. */
export function copyBlock(block: CopyBlock): void {
  const { from, rows, cols } = block;
  if ('low' in from) {
    eachTile(rows, cols, (...tile) => copyWide(block, from, ...tile));
  } else if (block.colStride === 1 && from instanceof block.target.constructor) {
    for (let i = 0; i < rows; i++) {
      const start = block.at + i * block.rowStride;
      block.target.set(from.subarray(start, start + cols), block.to + i * block.ld);
    }
  } else {
    eachTile(rows, cols, (...tile) => copySmall(block, from, ...tile));
  }
}

type Tile = [i0: number, i1: number, j0: number, j1: number];

function eachTile(rows: number, cols: number, visit: (...tile: Tile) => void): void {
  for (let i = 0; i < rows; i += side)
    for (let j = 0; j < cols; j += side) visit(i, Math.min(i + side, rows), j, Math.min(j + side, cols));
}

function copySmall(block: CopyBlock, from: SmallArray, ...[i0, i1, j0, j1]: Tile): void {
  const { at, rowStride, colStride, target, to, ld } = block;
  for (let i = i0; i < i1; i++)
    for (let j = j0; j < j1; j++) target[to + i * ld + j] = from[at + i * rowStride + j * colStride]!;
}

function copyWide(block: CopyBlock, { low, high }: WideIntegers, ...[i0, i1, j0, j1]: Tile): void {
  const { at, rowStride, colStride, target, to, ld } = block;
  for (let i = i0; i < i1; i++)
    for (let j = j0; j < j1; j++) {
      const index = 2 * (at + i * rowStride + j * colStride);
      const upper = high[index + 1]! * 4_294_967_296;
      const lower = low[index]!;
      const value = upper + lower;
      // `upper` and the difference are exact, so they tell whether the sum was.
      if (value - upper !== lower) throw block.inexact(i, j);
      target[to + i * ld + j] = value;
    }
}
