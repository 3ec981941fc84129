/**
 * The kernel that needs nothing: blocked TypeScript, several GFLOP/s on one thread. B is packed into strips of
 * four columns and A into strips of four rows, so that the inner loop holds a 4 × 4 tile of C in registers and
 * reads memory in order. It runs on the calling thread and lets the
 * event loop turn before each call.
 */
import { checkCall, type FloatArray, type Gemm, type Kernel } from './kernel.js';

/** Strips that stay in the caches: a packed block of A takes 256 KiB, a packed strip of B 8 KiB. */
const blockK = 256;
const blockM = 128;
const blockN = 1024;

export function plainKernel(): Kernel {
  const packedA = new Float64Array(blockM * blockK);
  const packedB = new Float64Array(blockK * blockN);
  return {
    name: 'typescript',
    flopsPerCall: 2e8,
    depthPerCall: blockK,
    setThreads: () => undefined,
    gemm64: (call) => turn(() => gemm(call, packedA, packedB)),
    gemm32: (call) => turn(() => gemm(call, packedA, packedB)),
  };
}

/** Lets the event loop turn before each call, so that signals and messages get in between. */
function turn(run: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        run();
        resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

/** Blocks are summed in float64 for both element types. */
function gemm(call: Gemm<FloatArray>, packedA: Float64Array, packedB: Float64Array): void {
  checkCall(call);
  const { a, b, c, lda, ldb, ldc, m, n, k } = call;
  for (let j = 0; j < n; j += blockN) {
    const nb = Math.min(blockN, n - j);
    for (let p = 0; p < k; p += blockK) {
      const kb = Math.min(blockK, k - p);
      packColumns(packedB, b, p * ldb + j, ldb, kb, nb);
      const overwrite = p === 0 && call.beta === 0;
      for (let i = 0; i < m; i += blockM) {
        const mb = Math.min(blockM, m - i);
        packRows(packedA, a, i * lda + p, lda, mb, kb);
        multiplyBlock(packedA, packedB, c, i * ldc + j, ldc, mb, nb, kb, overwrite);
      }
    }
  }
}

/** Strips of four columns, one after the other; missing columns are zero. */
function packColumns(
  to: Float64Array,
  from: FloatArray,
  at: number,
  stride: number,
  kb: number,
  nb: number,
): void {
  let out = 0;
  for (let j = 0; j < nb; j += 4) {
    const width = Math.min(4, nb - j);
    for (let p = 0; p < kb; p++, out += 4) {
      const row = at + p * stride + j;
      for (let q = 0; q < 4; q++) to[out + q] = q < width ? from[row + q]! : 0;
    }
  }
}

/** Strips of four rows, one after the other; missing rows are zero. */
function packRows(
  to: Float64Array,
  from: FloatArray,
  at: number,
  stride: number,
  mb: number,
  kb: number,
): void {
  for (let i = 0; i < mb; i += 4) {
    const height = Math.min(4, mb - i);
    for (let q = 0; q < 4; q++) {
      const row = at + (i + q) * stride;
      const out = i * kb + q;
      for (let p = 0; p < kb; p++) to[out + p * 4] = q < height ? from[row + p]! : 0;
    }
  }
}

function multiplyBlock(
  a: Float64Array,
  b: Float64Array,
  c: FloatArray,
  at: number,
  stride: number,
  mb: number,
  nb: number,
  kb: number,
  overwrite: boolean,
): void {
  const tile = new Float64Array(16);
  for (let j = 0; j < nb; j += 4) {
    const width = Math.min(4, nb - j);
    for (let i = 0; i < mb; i += 4) {
      multiplyTile(a, i * kb, b, j * kb, kb, tile);
      const height = Math.min(4, mb - i);
      for (let r = 0; r < height; r++) {
        const row = at + (i + r) * stride + j;
        for (let q = 0; q < width; q++)
          c[row + q] = overwrite ? tile[r * 4 + q]! : c[row + q]! + tile[r * 4 + q]!;
      }
    }
  }
}

/** tile = one strip of A times one strip of B, over kb. The one hot loop. */
function multiplyTile(
  a: Float64Array,
  atA: number,
  b: Float64Array,
  atB: number,
  kb: number,
  tile: Float64Array,
): void {
  let c00 = 0, c01 = 0, c02 = 0, c03 = 0; // prettier-ignore
  let c10 = 0, c11 = 0, c12 = 0, c13 = 0; // prettier-ignore
  let c20 = 0, c21 = 0, c22 = 0, c23 = 0; // prettier-ignore
  let c30 = 0, c31 = 0, c32 = 0, c33 = 0; // prettier-ignore
  for (let p = 0, x = atA, y = atB; p < kb; p++, x += 4, y += 4) {
    const b0 = b[y]!;
    const b1 = b[y + 1]!;
    const b2 = b[y + 2]!;
    const b3 = b[y + 3]!;
    const a0 = a[x]!;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    const a1 = a[x + 1]!;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
    const a2 = a[x + 2]!;
    c20 += a2 * b0;
    c21 += a2 * b1;
    c22 += a2 * b2;
    c23 += a2 * b3;
    const a3 = a[x + 3]!;
    c30 += a3 * b0;
    c31 += a3 * b1;
    c32 += a3 * b2;
    c33 += a3 * b3;
  }
  tile[0] = c00;
  tile[1] = c01;
  tile[2] = c02;
  tile[3] = c03;
  tile[4] = c10;
  tile[5] = c11;
  tile[6] = c12;
  tile[7] = c13;
  tile[8] = c20;
  tile[9] = c21;
  tile[10] = c22;
  tile[11] = c23;
  tile[12] = c30;
  tile[13] = c31;
  tile[14] = c32;
  tile[15] = c33;
}
