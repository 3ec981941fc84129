/** Where a matrix comes from: rows in the job's record, a blob, a bucket, or a seed. All give blocks on demand. */
import type { TaskBlobs } from '../task.js';
import type { Matrix } from './input.js';
import type { FloatArray } from './kernel/kernel.js';
import { readNpy } from './npy.js';
import { fill } from './random.js';
import { bytesOfBlob, noUrls } from './stored-bytes.js';
import { storedMatrix } from './stored-matrix.js';

/** Rows [r0, r1) and columns [c0, c1), to go to the start of `target`, `ld` elements from row to row. */
export interface LoadBlock {
  r0: number;
  r1: number;
  c0: number;
  c1: number;
  target: FloatArray;
  ld: number;
  signal: AbortSignal;
}

export interface MatrixSource {
  readonly rows: number;
  readonly cols: number;
  /**
   * One at a time for each source. It lets the event loop turn between pieces of a few milliseconds.
   * @throws DrayError `invalid-npy` that names row and column of an integer that float64 cannot hold; the
   * signal's reason once it aborts.
   */
  load(block: LoadBlock): Promise<void>;
}

/** @throws DrayError `blob-not-found`, `unsupported-source`, `unreadable-url` or `invalid-npy`. */
export async function openSource(
  blobs: TaskBlobs,
  matrix: Matrix,
  field: string,
  urls = noUrls,
): Promise<MatrixSource> {
  if (Array.isArray(matrix)) return inlineMatrix(matrix);
  if ('random' in matrix) return randomMatrix(matrix.random);
  const bytes = await ('url' in matrix
    ? urls.open({ ...matrix, field })
    : bytesOfBlob(blobs, matrix.blob, field));
  return storedMatrix(bytes, 'rows' in matrix ? matrix : await readNpy(bytes, field), field);
}

function inlineMatrix(rows: readonly (readonly number[])[]): MatrixSource {
  return {
    rows: rows.length,
    cols: rows[0]?.length ?? 0,
    load({ r0, r1, c0, c1, target, ld }) {
      for (let row = r0; row < r1; row++) target.set(rows[row]!.slice(c0, c1), (row - r0) * ld);
      return Promise.resolve();
    },
  };
}

/** About two milliseconds of work. */
const elementsPerTurn = 400_000;

function randomMatrix({ rows, cols, seed }: { rows: number; cols: number; seed: number }): MatrixSource {
  return {
    rows,
    cols,
    async load({ r0, r1, c0, c1, target, ld, signal }) {
      let sinceTurn = 0;
      for (let row = r0; row < r1; row++) {
        for (let col = c0; col < c1;) {
          const count = Math.min(c1 - col, elementsPerTurn - sinceTurn);
          fill(target.subarray((row - r0) * ld + (col - c0)), seed, row * cols + col, count);
          col += count;
          sinceTurn += count;
          if (sinceTurn < elementsPerTurn) continue;
          sinceTurn = 0;
          await new Promise((resolve) => setImmediate(resolve));
          signal.throwIfAborted();
        }
      }
    },
  };
}
