/**
 * Where a product goes: a small one into the job's result itself, so that it costs no file and no sync of its
 * own; any other into a blob, as it is made.
 */
import type { Dtype, MatmulProduct } from './input.js';
import { arrayOn } from './kernel/kernel.js';
import { npyHeader } from './npy.js';
import type { TaskBlobs } from '../task.js';

export const npyMediaType = 'application/x-npy';

/** So many numbers stay well below what a job's record holds, however many digits each has. */
export const inlineElements = 1_024;

interface Shape {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: Dtype;
}

export interface ProductWriter {
  /** Takes the next elements, row by row; the bytes may be reused once it has resolved. */
  write(bytes: Uint8Array): Promise<void>;
  /** How the output names the product. */
  commit(): Promise<Pick<MatmulProduct, 'blob' | 'product'>>;
  abort(): Promise<void>;
}

export function openProduct(blobs: TaskBlobs, shape: Shape): Promise<ProductWriter> {
  return shape.rows * shape.cols <= inlineElements
    ? Promise.resolve(new SmallProduct(blobs, shape))
    : openBlob(blobs, shape);
}

async function openBlob(blobs: TaskBlobs, shape: Shape): Promise<ProductWriter> {
  const writer = await blobs.create({ mediaType: npyMediaType });
  await writer.write(npyHeader(shape));
  return {
    write: (bytes) => writer.write(bytes),
    commit: async () => ({ blob: (await writer.commit()).id }),
    abort: () => writer.abort(),
  };
}

class SmallProduct implements ProductWriter {
  readonly #blobs: TaskBlobs;
  readonly #shape: Shape;
  readonly #parts: Uint8Array[] = [];

  constructor(blobs: TaskBlobs, shape: Shape) {
    this.#blobs = blobs;
    this.#shape = shape;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#parts.push(bytes.slice());
    return Promise.resolve();
  }

  async commit(): Promise<Pick<MatmulProduct, 'blob' | 'product'>> {
    const { rows, cols, dtype } = this.#shape;
    const bytes = new Uint8Array(Buffer.concat(this.#parts));
    const elements = Array.from(arrayOn(dtype, bytes.buffer, rows * cols));
    if (elements.every(survivesJson)) {
      return { product: Array.from({ length: rows }, (_, i) => elements.slice(i * cols, (i + 1) * cols)) };
    }
    const blob = await openBlob(this.#blobs, this.#shape);
    try {
      await blob.write(bytes);
      return await blob.commit();
    } catch (error) {
      await blob.abort();
      throw error;
    }
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}

/** JSON has no infinities and no NaN, and its writers drop the sign of −0. */
function survivesJson(x: number): boolean {
  return Number.isFinite(x) && !Object.is(x, -0);
}

/** The same bytes as the `.npy` blob of a larger product would have. */
export function npyOfRows(product: readonly (readonly number[])[], dtype: Dtype): Uint8Array {
  const [rows, cols] = [product.length, product[0]!.length];
  const elements = arrayOn(dtype, new ArrayBuffer(8 * rows * cols), rows * cols);
  product.forEach((row, i) => elements.set(row, i * cols));
  return Buffer.concat([
    npyHeader({ rows, cols, dtype }),
    new Uint8Array(elements.buffer, 0, elements.byteLength),
  ]);
}
