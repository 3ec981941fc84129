/**
 * What a `:predict` request asks for, as tensors: rows (`instances`) or columns (`inputs`), checked against the model's
 * signature. The texts of the errors are those of TensorFlow Serving, but that no value is quoted at length.
 */
import { DrayError } from '../jobs/errors.js';
import { bad, isBase64, isObject, putter, shown, type Put } from './elements.js';
import { emptyData, sizeOf, type Signature, type Tensor, type TensorInfo } from './tensor.js';

export interface PredictRequest {
  readonly format: 'row' | 'column';
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** The size of the first dimension of the first input; 1 where it has none. */
  readonly rows: number;
}

/** The only signature that a model without a graph of its own has. */
export const defaultSignature = 'serving_default';
/** Deeper nesting is no tensor that anybody has. */
const mostDims = 32;

type Json = Readonly<Record<string, unknown>>;

/**
 * @param body as JSON gave it.
 * @param options.mostElements in all inputs together: more are refused with 413.
 * @throws DrayError `invalid-request`, `body-too-large`.
 */
export function readRequest(
  body: unknown,
  signature: Signature,
  { mostElements }: { mostElements: number },
): PredictRequest {
  if (!isObject(body)) throw bad(`JSON Value: ${shown(body)} Is not object`);
  checkSignatureName(body);
  const { instances, inputs } = body;
  if (instances !== undefined && inputs !== undefined)
    throw misformed(
      body,
      "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist",
    );
  const room = { left: mostElements, most: mostElements };
  if (instances !== undefined) return readRows(body, instances, signature, room);
  if (inputs === undefined) throw bad("Missing 'inputs' or 'instances' key");
  return readColumns(inputs, signature, room);
}

interface Room {
  left: number;
  readonly most: number;
}

function checkSignatureName(body: Json): void {
  const { signature_name: name } = body;
  if (name === undefined || name === '' || name === defaultSignature) return;
  if (typeof name !== 'string')
    throw misformed(body, "not formatted correctly. 'signature_name' key must be a string value.");
  throw bad(`Serving signature name: "${name.slice(0, 100)}" not found in signature def`);
}

function readRows(body: Json, instances: unknown, { inputs }: Signature, room: Room): PredictRequest {
  if (!Array.isArray(instances)) throw misformed(body, "Expecting 'instances' to be an list/array");
  if (instances.length === 0) throw misformed(body, "No values in 'instances' array");
  const rows: readonly unknown[] = instances;
  const named = isNamed(rows[0]);
  if (!named && inputs.length > 1) {
    throw bad(
      'instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map',
    );
  }
  for (const [index, row] of rows.entries()) {
    if (isNamed(row) !== named) {
      throw bad(
        named
          ? `Expecting object but got list at item ${index} of input list`
          : `Expecting value/list but got object at item ${index} of input list`,
      );
    }
    if (named) checkNames(row as Json, index, inputs);
  }
  const column = (info: TensorInfo): Tensor =>
    named
      ? stack(
          rows.map((row) => (row as Json)[info.name]),
          info,
          room,
          ` key: ${info.name}`,
        )
      : stack(rows, info, room, '');
  return { format: 'row', inputs: byName(inputs, column), rows: rows.length };
}

function checkNames(row: Json, index: number, inputs: Signature['inputs']): void {
  const keys = Object.keys(row);
  const stranger = keys.find((key) => inputs.every(({ name }) => name !== key));
  if (stranger !== undefined) {
    const key = stranger.slice(0, 100);
    throw failed(index, ` key: ${key}`, `JSON object: does not have named input: ${key}`);
  }
  if (keys.length === inputs.length) return;
  const names = inputs.map(({ name }) => name).sort();
  throw bad(
    `Failed to process element: ${index} of 'instances' list. JSON object: ${shown(row)} keys must be equal to: ${names.join()}`,
  );
}

/** One tensor of the rows, which must all have the shape of the first. @param key as errors tell it. */
function stack(rows: readonly unknown[], info: TensorInfo, room: Room, key: string): Tensor {
  const rowDims = dimsOf(rows[0]);
  const dims = [rows.length, ...rowDims];
  const { data, put } = space(dims, info, room);
  const size = sizeOf(rowDims);
  for (const [index, row] of rows.entries()) {
    try {
      if (fill(row, rowDims, index * size, put) === undefined) throw misfit(row, rowDims);
    } catch (error) {
      throw error instanceof DrayError ? failed(index, key, error.message) : error;
    }
  }
  return { type: info.type, dims, data };
}

function readColumns(given: unknown, { inputs }: Signature, room: Room): PredictRequest {
  const named = isNamed(given);
  if (!named && inputs.length > 1) {
    throw bad(
      'inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map',
    );
  }
  const tensors = byName(inputs, (info) => {
    const value = named ? (given as Json)[info.name] : given;
    if (value === undefined) throw bad(`Missing named input: ${info.name} in 'inputs' object.`);
    const dims = dimsOf(value);
    const { data, put } = space(dims, info, room);
    if (fill(value, dims, 0, put) === undefined) throw misfit(value, dims);
    return { type: info.type, dims, data };
  });
  return { format: 'column', inputs: tensors, rows: tensors[inputs[0]!.name]!.dims[0] ?? 1 };
}

function byName(
  inputs: readonly TensorInfo[],
  read: (info: TensorInfo) => Tensor,
): Readonly<Record<string, Tensor>> {
  // fromEntries makes own members of any name.
  return Object.fromEntries(inputs.map((info) => [info.name, read(info)]));
}

/** What holds a tensor of these dims, if the model takes such a one and there is room for it. */
function space(
  dims: readonly number[],
  info: TensorInfo,
  room: Room,
): { readonly data: Tensor['data']; readonly put: Put } {
  checkShape(dims, info);
  const size = sizeOf(dims);
  room.left -= size;
  // Before anything is allocated. What is not regular has no more elements than what was sent.
  if (room.left < 0) {
    throw new DrayError(
      'body-too-large',
      `the inputs have more than ${room.most} elements; send them in several requests`,
    );
  }
  const data = emptyData(info.type, size);
  return { data, put: putter(info.type, data) };
}

/** @returns where the next element belongs, or undefined where the value has other dims. */
function fill(
  value: unknown,
  dims: readonly number[],
  start: number,
  put: Put,
  level = 0,
): number | undefined {
  if (!Array.isArray(value)) {
    if (level !== dims.length) return undefined;
    put(start, value);
    return start + 1;
  }
  if (value.length !== dims[level]) return undefined; // nor is a list where none belongs
  let at: number | undefined = start;
  for (const part of value as readonly unknown[]) {
    at = fill(part, dims, at, put, level + 1);
    if (at === undefined) return undefined;
  }
  return at;
}

/** Why a value has not the dims that the first has: it is not regular, or it is of another shape. */
function misfit(value: unknown, wanted: readonly number[]): DrayError {
  const dims = dimsOf(value);
  const irregular = irregularity(value, dims, 0);
  if (irregular !== undefined) return bad(irregular);
  const [want, have] = [sizeOf(wanted), sizeOf(dims)];
  return bad(
    want === have
      ? `Expecting shape [${wanted.join()}] but got: [${dims.join()}]`
      : `Expecting tensor size: ${want} but got: ${have}`,
  );
}

/** @param dims of the value, by its first elements. */
function irregularity(value: unknown, dims: readonly number[], level: number): string | undefined {
  if (!Array.isArray(value)) {
    if (level === dims.length) return undefined;
    return `JSON Value: ${shown(value)} found at incorrect level: ${level + 1} in the JSON DOM. Expected at level: ${dims.length}`;
  }
  if (level >= dims.length) return `Encountered list at unexpected level: ${level} expected < ${dims.length}`;
  if (value.length !== dims[level])
    return `Encountered list at unexpected size: ${value.length} at level: ${level} expected size: ${dims[level]}`;
  for (const part of value as readonly unknown[]) {
    const found = irregularity(part, dims, level + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Of the first of each list: what is not regular is found when it is filled in. */
function dimsOf(value: unknown): number[] {
  const dims: number[] = [];
  for (let part = value; Array.isArray(part); part = (part as readonly unknown[])[0]) {
    if (dims.length === mostDims) throw bad(`lists are nested deeper than ${mostDims}`);
    dims.push(part.length);
  }
  return dims;
}

function checkShape(dims: readonly number[], { name, shape }: TensorInfo): void {
  const fits = dims.length === shape.length && shape.every((size, at) => size === -1 || size === dims[at]);
  if (fits) return;
  const wanted = shape.map((size) => (size === -1 ? '?' : size)).join();
  throw bad(`input "${name}" has shape [${dims.join()}], but the model takes [${wanted}]`);
}

/** Neither a value, nor a list of some, nor bytes. */
function isNamed(value: unknown): boolean {
  return isObject(value) && !isBase64(value);
}

function misformed(body: Json, reason: string): DrayError {
  return bad(`JSON Value: ${shown(body)} ${reason}`);
}

function failed(index: number, key: string, reason: string): DrayError {
  return bad(
    `Failed to process element: ${index}${key} of 'instances' list. Error: INVALID_ARGUMENT: ${reason}`,
  );
}
