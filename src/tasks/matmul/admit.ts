/** What the schema of `matmul` cannot say, checked before a job is queued. */
import { DrayError } from '../../jobs/errors.js';
import type { AdmitContext } from '../task.js';
import type { MatmulInput, Matrix } from './input.js';
import { largestDimension } from './kernel/kernel.js';
import { readNpy } from './npy.js';
import { bytesOfBlob, type StoredBytes, type UrlObjects } from './stored-bytes.js';
import { checkLayout } from './stored-matrix.js';

interface Shape {
  rows: number;
  cols: number;
}

/**
 * The input to store: `.npy` files are replaced by what their headers say.
 * @throws DrayError `invalid-matrix`, `invalid-npy`, `blob-not-found`, `unsupported-source`, `unreadable-url`,
 * `limit-exceeded` or `shape-mismatch`, each naming the field.
 */
export async function admitMatmul(
  input: MatmulInput,
  context: AdmitContext,
  urls: UrlObjects,
): Promise<MatmulInput> {
  const a = await admitMatrix(input.a, 'input.a', context, urls);
  const b = await admitMatrix(input.b, 'input.b', context, urls);
  if (a.shape.cols !== b.shape.rows)
    throw new DrayError(
      'shape-mismatch',
      `input.a is ${text(a.shape)} and input.b is ${text(b.shape)}: a has ${a.shape.cols} columns, ` +
        `b has ${b.shape.rows} rows`,
      { field: 'input.b' },
    );
  checkSize(
    { rows: a.shape.rows, cols: b.shape.cols },
    'the product of input.a and input.b',
    'input',
    context,
  );
  return { ...input, a: a.matrix, b: b.matrix };
}

async function admitMatrix(
  matrix: Matrix,
  field: string,
  context: AdmitContext,
  urls: UrlObjects,
): Promise<{ matrix: Matrix; shape: Shape }> {
  if (Array.isArray(matrix)) {
    const shape = shapeOfRows(matrix, field);
    checkSize(shape, field, field, context);
    return { matrix, shape };
  }
  if ('random' in matrix) {
    checkSize(matrix.random, field, field, context);
    return { matrix, shape: matrix.random };
  }
  const { bytes, origin } = await openStored(matrix, field, context, urls);
  const layout = 'rows' in matrix ? matrix : await readNpy(bytes, field);
  checkSize(layout, field, field, context);
  checkLayout(layout, bytes.size, field);
  return { matrix: { ...origin, ...layout }, shape: layout };
}

/** The bytes of a stored matrix, and how the job's record names them: an object by what it is now. */
async function openStored(
  matrix: Extract<Matrix, { blob: string } | { url: string }>,
  field: string,
  context: AdmitContext,
  urls: UrlObjects,
): Promise<{ bytes: StoredBytes; origin: { blob: string } | { url: string; version: string } }> {
  if ('blob' in matrix) {
    return { bytes: await bytesOfBlob(context.blobs, matrix.blob, field), origin: { blob: matrix.blob } };
  }
  const object = await urls.open({ ...matrix, field });
  return { bytes: object, origin: { url: matrix.url, version: object.version } };
}

function shapeOfRows(rows: readonly (readonly number[])[], field: string): Shape {
  const refuse = (reason: string): DrayError =>
    new DrayError('invalid-matrix', `${field}: ${reason}`, { field });
  const cols = rows[0]?.length ?? 0;
  if (rows.length === 0) throw refuse('the matrix has no rows');
  rows.forEach((row, i) => {
    if (row.length === 0) throw refuse(`row ${i + 1} is empty`);
    if (row.length !== cols) throw refuse(`row ${i + 1} has ${row.length} elements, row 1 has ${cols}`);
    const bad = row.findIndex((element) => !Number.isFinite(element));
    if (bad >= 0) throw refuse(`row ${i + 1}, column ${bad + 1} is not a finite number`);
  });
  return { rows: rows.length, cols };
}

function checkSize(shape: Shape, what: string, field: string, context: AdmitContext): void {
  const elements = shape.rows * shape.cols;
  if (elements > context.maxMatrixElements)
    throw new DrayError(
      'limit-exceeded',
      `${what}: ${text(shape)} is ${elements} elements; at most ${context.maxMatrixElements} are taken`,
      { field },
    );
  if (shape.cols > largestDimension)
    throw new DrayError('limit-exceeded', `${what}: at most ${largestDimension} columns are taken`, {
      field,
    });
}

const text = ({ rows, cols }: Shape): string => `${rows} × ${cols}`;
