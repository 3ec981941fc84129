/**
 * The body of the matrix services: `{"A": [[…]], "B": [[…]]}`, with upper-case or lower-case names. Rows go
 * straight into binary as they arrive, by the readers of the job type `matmul`, so that the size of a matrix does
 * not matter.
 */
import type { FastifyRequest } from 'fastify';
import type { SubmitJob } from '../contract/job.js';
import { bodyOf } from '../http/body.js';
import type { SubmissionContext } from '../http/submission-json.js';
import { DrayError } from '../jobs/errors.js';
import { limits } from '../jobs/limits.js';
import { ObjectSink } from '../json/object.js';
import { iteratorOf, readJson, type Bytes } from '../json/read.js';
import type { ValueSink } from '../json/sink.js';
import { byte } from '../json/syntax.js';
import type { MatmulInput } from '../tasks/matmul/input.js';
import { shapeOf } from '../tasks/matmul/shape.js';
import { BodyFault } from './fastapi-errors.js';

/** The job type behind these doors. */
export const matmul = 'matmul';

type Operand = 'a' | 'b';
const operands: readonly Operand[] = ['a', 'b'];
const names: ReadonlyMap<string, Operand> = new Map([
  ['A', 'a'],
  ['a', 'a'],
  ['B', 'b'],
  ['b', 'b'],
]);

/** The body's bytes, or undefined where it has none. */
export async function jsonBytes(request: FastifyRequest): Promise<Bytes | undefined> {
  const body = bodyOf(request);
  if (Array.isArray(body)) return body.length === 0 ? undefined : (body as Bytes);
  const chunks = iteratorOf(body);
  let first: IteratorResult<Uint8Array> | undefined = await chunks.next();
  if (first.done === true) return undefined;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const chunk = first ?? (await chunks.next());
    first = undefined;
    return chunk;
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/**
 * @param others reads what else the body may have, by name.
 * @returns undefined where the body has none of the two matrices.
 * @throws DrayError that names the matrix, and the row and column where there is one to blame. What is stored
 * until then is in the context's uploads.
 */
export async function readMatrices(
  body: Bytes,
  context: SubmissionContext,
  others: ReadonlyMap<string, ValueSink> = new Map(),
): Promise<SubmitJob | undefined> {
  const { tasks, uploads, bodyLimit } = context;
  const fields = tasks.get(matmul).fields!;
  const given = new Map<Operand, Rows>();
  const envelope = new ObjectSink((key) => {
    const operand = names.get(key);
    if (operand === undefined) return others.get(key) ?? refuseMember(key);
    const earlier = given.get(operand);
    if (earlier) throw twice(earlier.name, key);
    const params = { field: key, writer: uploads.shared, maxElements: limits.matrixElements };
    const rows = new Rows(key, fields[operand]!(params));
    given.set(operand, rows);
    return rows;
  });
  await readJson(body, envelope, { limit: bodyLimit });
  if (given.size === 0) return undefined;
  const [a, b] = operands.map((operand) => given.get(operand) ?? missing(operand, given)) as [Rows, Rows];
  checkShapes(a, b);
  await uploads.commitShared();
  return { type: matmul, input: { a: a.value(), b: b.value() } };
}

/** The error of a body without a matrix. */
export function missingMatrix(name: string): BodyFault {
  return new BodyFault('missing', name, `${name}: the matrix is missing; a body is {"A": [[…]], "B": [[…]]}`);
}

/** Lets rows through to the reader of the field, which would also take references to data that is elsewhere. */
class Rows implements ValueSink {
  readonly name: string;
  readonly #reader: ValueSink;
  #begun = false;

  constructor(name: string, reader: ValueSink) {
    this.name = name;
    this.#reader = reader;
  }

  get done(): boolean {
    return this.#reader.done;
  }

  feed(chunk: Uint8Array, at: number): number {
    if (!this.#begun && chunk[at] !== byte.openArray) {
      throw new BodyFault('list_type', this.name, `${this.name}: must be a list of rows of numbers`);
    }
    this.#begun = true;
    return this.#reader.feed(chunk, at);
  }

  value(): MatmulInput[Operand] {
    return this.#reader.value() as MatmulInput[Operand];
  }

  drain(): Promise<void> | undefined {
    return this.#reader.drain?.();
  }
}

/** Checked here and not only on admission, because here their names are known. */
function checkShapes(a: Rows, b: Rows): void {
  const [left, right] = [shapeOf(a.value()), shapeOf(b.value())];
  if (left.cols === right.rows) return;
  throw new DrayError(
    'shape-mismatch',
    `${a.name} is ${left.rows} × ${left.cols} and ${b.name} is ${right.rows} × ${right.cols}: ` +
      `${a.name} has ${left.cols} columns, ${b.name} has ${right.rows} rows`,
    { field: b.name },
  );
}

/** In the case of the one that is there. */
function missing(operand: Operand, given: ReadonlyMap<Operand, Rows>): never {
  const lowerCase = [...given.values()].some(({ name }) => name === name.toLowerCase());
  throw missingMatrix(lowerCase ? operand : operand.toUpperCase());
}

function refuseMember(key: string): never {
  const shown = key.slice(0, 64);
  throw new BodyFault('extra_forbidden', shown, `${shown}: is not known here`);
}

function twice(earlier: string, key: string): DrayError {
  return new DrayError('invalid-request', `${key}: the same matrix as ${earlier}; send it once`, {
    field: key,
  });
}
