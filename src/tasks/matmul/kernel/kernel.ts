/** The seam to whatever multiplies matrices: a native CBLAS, or plain TypeScript. */
import type { Dtype } from '../input.js';

export type FloatArray = Float64Array | Float32Array;

/**
 * C = A·B + beta·C on row-major views. A is m × k with `lda` elements from row to row, B is k × n with `ldb`,
 * C is m × n with `ldc`; all arrays start at their matrix's first element.
 */
export interface Gemm<T extends FloatArray> {
  a: T;
  lda: number;
  b: T;
  ldb: number;
  c: T;
  ldc: number;
  m: number;
  n: number;
  k: number;
  /** 0 overwrites C, whatever it held; 1 adds to it. */
  beta: 0 | 1;
}

export interface Kernel {
  /** For people: the library and its core type, or `typescript`. */
  readonly name: string;
  /**
   * How much one call of one thread may hold, so that it takes well under a second and a cancelled product
   * stops soon. In floating point operations.
   */
  readonly flopsPerCall: number;
  /** Sums of so many terms reach full speed: a larger part of C is worth more than a longer sum. */
  readonly depthPerCall: number;
  /** From the next call on. */
  setThreads(threads: number): void;
  /** @throws RangeError, before anything is touched, where an array is shorter than its shape needs. */
  gemm64(call: Gemm<Float64Array>): Promise<void>;
  gemm32(call: Gemm<Float32Array>): Promise<void>;
}

/** The largest dimension or stride that the usual CBLAS takes: its integers have 32 bits. */
export const largestDimension = 2 ** 31 - 1;

export const elementSize = (dtype: Dtype): number => (dtype === 'float64' ? 8 : 4);

/** An array on a buffer of at least `length` elements. */
export function arrayOn(dtype: Dtype, buffer: ArrayBuffer, length: number): FloatArray {
  return dtype === 'float64' ? new Float64Array(buffer, 0, length) : new Float32Array(buffer, 0, length);
}

/** Native code has no bounds of its own, so every call is checked here first. */
export function checkCall(call: Gemm<FloatArray>): void {
  checkOperand('A', call.a, call.m, call.k, call.lda);
  checkOperand('B', call.b, call.k, call.n, call.ldb);
  checkOperand('C', call.c, call.m, call.n, call.ldc);
}

function checkOperand(name: string, array: FloatArray, rows: number, cols: number, stride: number): void {
  for (const value of [rows, cols, stride])
    if (!Number.isInteger(value) || value < 1 || value > largestDimension)
      throw new RangeError(`${name}: ${value} is not a dimension that the kernel takes`);
  if (stride < cols) throw new RangeError(`${name}: the stride ${stride} is below the ${cols} columns`);
  const needed = (rows - 1) * stride + cols;
  if (array.length < needed)
    throw new RangeError(`${name}: ${needed} elements are needed, the array has ${array.length}`);
}
