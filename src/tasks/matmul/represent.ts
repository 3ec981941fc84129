/** The forms in which a product can be fetched: as `.npy`, or as bare rows of JSON made as they are read. */
import { DrayError } from '../../jobs/errors.js';
import { jsonForm } from '../json-form.js';
import type { Representation, TaskBlobs } from '../task.js';
import type { MatmulOutput, MatmulProduct } from './input.js';
import { arrayOn, elementSize, type FloatArray } from './kernel/kernel.js';
import { npyHeader } from './npy.js';
import { npyMediaType, npyOfRows } from './product.js';

/** A simulated product has no numbers: its output says so. */
export function representOutput(output: MatmulOutput): readonly Representation[] {
  if ('simulated' in output) return [jsonForm(output)];
  const { product, blob, dtype } = output;
  if (product)
    return [{ mediaType: npyMediaType, bytes: () => npyOfRows(product, dtype) }, jsonForm(product)];
  if (blob === undefined) throw new Error('a product is in its output or in a blob');
  return [
    { mediaType: npyMediaType, blob },
    { mediaType: 'application/json', stream: (blobs) => streamRows({ ...output, blob }, blobs) },
  ];
}

/** About 300 KiB of text. */
const elementsPerChunk = 16_384;

/**
 * `[[1,2],[3,4]]`: every number is the shortest text that parses to the same bits, −0 included.
 * @throws DrayError `not-acceptable`, before the first chunk, where the product holds NaN or infinities.
 */
async function* streamRows(
  output: MatmulProduct & { blob: string },
  blobs: TaskBlobs,
): AsyncGenerator<string> {
  if (!output.finite)
    throw new DrayError(
      'not-acceptable',
      `the product holds infinities or NaN, which JSON cannot carry; ask for ${npyMediaType}`,
    );
  const { blob: id, rows, cols, dtype } = output;
  const total = rows * cols;
  let first = 0;
  const bytes = blobs.read({ id, start: npyHeader(output).length });
  for await (const chunk of inChunks(bytes, elementsPerChunk * elementSize(dtype))) {
    const elements = arrayOn(dtype, chunk, Math.min(elementsPerChunk, total - first));
    const text = textOf(elements, first, cols);
    yield (first === 0 ? '[' : '') + text + (first + elements.length === total ? ']' : '');
    first += elements.length;
  }
}

/** The same bytes, so many at a time and at its end the rest, each time in the same buffer. */
async function* inChunks(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<ArrayBuffer> {
  const buffer = new ArrayBuffer(size);
  const target = new Uint8Array(buffer);
  let filled = 0;
  for await (const part of source) {
    for (let at = 0; at < part.length;) {
      const taken = part.subarray(at, at + size - filled);
      target.set(taken, filled);
      at += taken.length;
      filled += taken.length;
      if (filled < size) continue;
      filled = 0;
      yield buffer;
    }
  }
  if (filled > 0) yield buffer;
}

/** Elements from number `first` of the matrix on, with the brackets and commas that belong to them. */
function textOf(elements: FloatArray, first: number, cols: number): string {
  let text = '';
  for (let at = 0; at < elements.length;) {
    const col = (first + at) % cols;
    const count = Math.min(cols - col, elements.length - at);
    const before = col > 0 ? ',' : first + at > 0 ? ',[' : '[';
    text += before + joined(elements.subarray(at, at + count)) + (col + count === cols ? ']' : '');
    at += count;
  }
  return text;
}

function joined(part: FloatArray): string {
  for (const element of part)
    if (Object.is(element, -0))
      return Array.from(part, (x) => (Object.is(x, -0) ? '-0' : String(x))).join(',');
  return part.join(',');
}
