/**
 * What a `:predict` request asks for, as tensors: rows (`instances`) or columns (`inputs`), checked against the model's
 * signature. The texts of the errors are those of TensorFlow Serving, but that no value is quoted at length.
 */
import { DrayError } from '../jobs/errors.js';
import {
  emptyData,
  sizeOf,
  type ElementType,
  type Signature,
  type Tensor,
  type TensorInfo,
} from './tensor.js';

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
    throw bad("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist");
  const room = { left: mostElements, most: mostElements };
  if (instances !== undefined) return readRows(instances, signature, room);
  if (inputs === undefined) throw bad("Missing 'inputs' or 'instances' key");
  return readColumns(inputs, signature, room);
}

interface Room {
  left: number;
  readonly most: number;
}

function checkSignatureName({ signature_name: name }: Json): void {
  if (name === undefined || name === '' || name === defaultSignature) return;
  if (typeof name !== 'string') {
    throw bad("not formatted correctly. 'signature_name' key must be a string value.");
  }
  throw bad(`Serving signature name: "${name.slice(0, 100)}" not found in signature def`);
}

function readRows(instances: unknown, { inputs }: Signature, room: Room): PredictRequest {
  if (!Array.isArray(instances)) throw bad("Expecting 'instances' to be an list/array");
  if (instances.length === 0) throw bad("No values in 'instances' array");
  const rows: readonly unknown[] = instances;
  const named = isNamed(rows[0]);
  if (!named && inputs.length > 1) {
    throw bad(
      'instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map',
    );
  }
  const names = inputs.map(({ name }) => name).sort();
  for (const [index, row] of rows.entries()) {
    if (isNamed(row) !== named) {
      throw bad(
        named
          ? `Expecting object but got list at item ${index} of input list`
          : `Expecting value/list but got object at item ${index} of input list`,
      );
    }
    if (
      named &&
      Object.keys(row as Json)
        .sort()
        .join() !== names.join()
    ) {
      throw bad(
        `Failed to process element: ${index} of 'instances' list. JSON object: ${shown(row)} keys must be equal to: ${names.join()}`,
      );
    }
  }
  const column = (info: TensorInfo): Tensor =>
    readTensor(named ? rows.map((row) => (row as Json)[info.name]) : rows, info, room);
  return { format: 'row', inputs: byName(inputs, column), rows: rows.length };
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
    return readTensor(value, info, room);
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

function readTensor(value: unknown, info: TensorInfo, room: Room): Tensor {
  const dims = dimsOf(value);
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
  const put = putter(info.type, data as unknown as Record<number, unknown>);
  let at = 0;
  const fill = (part: unknown, level: number): void => {
    if (!Array.isArray(part)) {
      if (level !== dims.length) {
        throw bad(
          `JSON Value: ${shown(part)} found at incorrect level: ${level + 1} in the JSON DOM. Expected at level: ${dims.length}`,
        );
      }
      put(at++, part);
      return;
    }
    if (level >= dims.length) {
      throw bad(`Encountered list at unexpected level: ${level} expected < ${dims.length}`);
    }
    if (part.length !== dims[level]) {
      throw bad(
        `Encountered list at unexpected size: ${part.length} at level: ${level} expected size: ${dims[level]}`,
      );
    }
    for (const one of part as readonly unknown[]) fill(one, level + 1);
  };
  fill(value, 0);
  return { type: info.type, dims, data };
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

/** Puts a value where it belongs, or refuses it. */
function putter(type: ElementType, data: Record<number, unknown>): (at: number, value: unknown) => void {
  const refuse = (value: unknown): never => {
    throw bad(
      `JSON Value: ${shown(value)} Type: ${kindOf(value)} is not of expected type: ${typeNames[type]}`,
    );
  };
  switch (type) {
    case 'string':
      return (at, value) =>
        (data[at] = typeof value === 'string' ? value : (bytesOf(value) ?? refuse(value)));
    case 'bool':
      return (at, value) => (data[at] = typeof value === 'boolean' ? Number(value) : refuse(value));
    case 'float64':
      return (at, value) => (data[at] = typeof value === 'number' ? value : refuse(value));
    case 'float32':
      return (at, value) => {
        if (typeof value !== 'number') refuse(value);
        const near = Math.fround(value as number);
        // Fractions are rounded; whole numbers mean what they say.
        if (!Number.isFinite(near) || (near !== value && Number.isInteger(value))) {
          throw bad(`Cannot convert JSON value: ${shown(value)} to float without loss of precision.`);
        }
        data[at] = near;
      };
    case 'int8':
    case 'uint8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64': {
      const [least, most] = ranges[type];
      const big = type === 'int64' || type === 'uint64';
      return (at, value) => {
        if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
          refuse(value);
        data[at] = big ? BigInt(value as number) : value;
      };
    }
  }
}

/** Of whole numbers; beyond the safe ones JSON has been rounded already. */
const ranges = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32_768, 32_767],
  uint16: [0, 65_535],
  int32: [-2_147_483_648, 2_147_483_647],
  uint32: [0, 4_294_967_295],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
} as const;

/** As TensorFlow names them in texts. */
const typeNames = {
  ...{ float32: 'float', float64: 'double', bool: 'bool', string: 'string' },
  ...{ int8: 'int8', int16: 'int16', int32: 'int32', int64: 'int64' },
  ...{ uint8: 'uint8', uint16: 'uint16', uint32: 'uint32', uint64: 'uint64' },
} as const satisfies Record<ElementType, string>;

/** The text of `{"b64": "…"}`; undefined where the value is none. */
function bytesOf(value: unknown): string | undefined {
  if (!isBase64(value)) return undefined;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value.b64)) throw bad('Unable to base64 decode');
  return Buffer.from(value.b64, 'base64').toString();
}

function isBase64(value: unknown): value is { b64: string } {
  return isObject(value) && typeof value['b64'] === 'string' && Object.keys(value).length === 1;
}

function isNamed(value: unknown): boolean {
  return isObject(value) && !isBase64(value);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'Null';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return 'Array';
  return { string: 'String', number: 'Number' }[typeof value as string] ?? 'Object';
}

/** Enough of a value to know it again. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}

function bad(message: string): DrayError {
  return new DrayError('invalid-request', message);
}
