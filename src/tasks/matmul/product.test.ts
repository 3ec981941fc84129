import { describe, expect, it } from 'vitest';
import { MemoryBlobs } from '../../testing/memory-blobs.js';
import { readNpy } from './npy.js';
import { bytesOfBlob } from './stored-bytes.js';
import { inlineElements, npyOfRows, openProduct } from './product.js';

describe('a product', () => {
  const bytesOf = (elements: readonly number[]): Uint8Array =>
    new Uint8Array(Float64Array.from(elements).buffer);
  const write = async (rows: number, cols: number, ...parts: (readonly number[])[]) => {
    const blobs = new MemoryBlobs();
    const writer = await openProduct(blobs, { rows, cols, dtype: 'float64' });
    for (const part of parts) {
      const bytes = bytesOf(part);
      await writer.write(bytes);
      bytes.fill(0); // as a buffer that is used again
    }
    return { blobs, output: await writer.commit() };
  };

  it('is in the output where it is small', async () => {
    const { output } = await write(2, 2, [1, 2, 3], [0.1]);
    expect(output).toEqual({ product: [[1, 2], [3, 0.1]] }); // prettier-ignore
  });

  it.each([
    ['an infinity', Infinity],
    ['NaN', NaN],
    ['a negative zero', -0],
  ])('is a blob where JSON would lose %s', async (_what, element) => {
    const { blobs, output } = await write(1, 2, [7, element]);
    expect(output).not.toHaveProperty('product');
    expect(await readNpy(await bytesOfBlob(blobs, output.blob!, 'x'), 'x')).toMatchObject({
      rows: 1,
      cols: 2,
    });
  });

  it('is a blob from one element above the limit on', async () => {
    const count = inlineElements + 1;
    const { output } = await write(
      1,
      count,
      Array.from({ length: count }, (_, i) => i),
    );
    expect(output).not.toHaveProperty('product');
    expect(
      (
        await write(
          1,
          count - 1,
          Array.from({ length: count - 1 }, () => 1),
        )
      ).output,
    ).toHaveProperty('product');
  });

  it('stays within what a record holds, however many digits its numbers have', async () => {
    const longest = -(2 ** -1000) / 3;
    const { output } = await write(
      1,
      inlineElements,
      Array.from({ length: inlineElements }, () => longest),
    );
    expect(JSON.stringify(output).length).toBeLessThan(30 * 1024);
  });

  it('has the same bytes as .npy whichever way it went', async () => {
    const blobs = new MemoryBlobs();
    const rows = [[1, 2, 3]];
    expect(
      await readNpy(await bytesOfBlob(blobs, blobs.put(npyOfRows(rows, 'float32')), 'x'), 'x'),
    ).toMatchObject({
      rows: 1,
      cols: 3,
      dtype: 'float32',
    });
  });
});
