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
  const size = elementSize(dtype);
  const start = npyHeader(output).length;
  const total = rows * cols;
  const buffer = new ArrayBuffer(elementsPerChunk * size);
  for (let first = 0; first < total; first += elementsPerChunk) {
    const count = Math.min(elementsPerChunk, total - first);
    await blobs.readInto({
      id,
      offset: start + first * size,
      target: new Uint8Array(buffer, 0, count * size),
    });
    yield (
      (first === 0 ? '[' : '') +
      textOf(arrayOn(dtype, buffer, count), first, cols) +
      (first + count === total ? ']' : '')
    );
  }
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
