/** What is known of a product before anything is read: its shape, and how much work it is. */
import type { MatmulInput, Matrix } from './input.js';

export interface ProductShape {
  /** Rows of a and of the product. */
  readonly m: number;
  /** Columns of a, rows of b. */
  readonly k: number;
  /** Columns of b and of the product. */
  readonly n: number;
}

/** @param input as it was admitted: inline rows, elements in a blob, or random. */
export function productShape({ a, b }: MatmulInput): ProductShape {
  const left = shapeOf(a);
  return { m: left.rows, k: left.cols, n: shapeOf(b).cols };
}

/**
 * What a product takes whatever its size, in megaflops: reading the input, making the blob and telling of it
 * take about as long as so many of them, some 5 ms.
 */
const fixedWork = 200;

/** In megaflops. */
export function workOf(input: MatmulInput): number {
  const { m, k, n } = productShape(input);
  return fixedWork + Math.ceil((2 * m * k * n) / 1e6);
}

export function shapeOf(matrix: Matrix): { readonly rows: number; readonly cols: number } {
  if (Array.isArray(matrix)) return { rows: matrix.length, cols: matrix[0]?.length ?? 0 };
  if ('random' in matrix) return matrix.random;
  if ('rows' in matrix) return matrix;
  throw new Error('the shape of a matrix is known only once it is admitted');
}
