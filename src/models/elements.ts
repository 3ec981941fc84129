/** Elements of tensors, from the values that JSON gives. The texts of the errors are those of TensorFlow Serving. */
import { DrayError } from '../jobs/errors.js';
import type { ElementType } from './tensor.js';

/** Of a value that an error tells, in characters. */
const mostShown = 100;

/** Puts a value where it belongs. @throws DrayError `invalid-request` where it does not fit the type. */
export type Put = (at: number, value: unknown) => void;

export function putter(type: ElementType, data: Record<number, unknown>): Put {
  const refuse = (value: unknown): never => {
    throw bad(
      `JSON Value: ${shown(value)} Type: ${kindOf(value)} is not of expected type: ${typeNames[type]}`,
    );
  };
  switch (type) {
    case 'string':
      return (at, value) =>
        (data[at] = typeof value === 'string' ? value : isBase64(value) ? textOf(value) : refuse(value));
    case 'bool':
      return (at, value) => (data[at] = typeof value === 'boolean' ? Number(value) : refuse(value));
    case 'float32':
    case 'float64': {
      const round = type === 'float32' ? Math.fround : (value: number) => value;
      return (at, value) => {
        if (typeof value !== 'number') refuse(value);
        const near = round(value as number);
        // What is no number cannot be in JSON, but 1e400 can.
        if (!Number.isFinite(near)) {
          throw bad(
            `Cannot convert JSON value: ${shown(value)} to ${typeNames[type]} without loss of precision.`,
          );
        }
        data[at] = near;
      };
    }
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

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The runtime has texts only, so bytes that are none would reach the model as others. */
function textOf({ b64 }: { readonly b64: string }): string {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(b64)) throw bad('Unable to base64 decode');
  try {
    return decoder.decode(Buffer.from(b64, 'base64'));
  } catch (error) {
    throw new DrayError('invalid-request', 'base64 data must be UTF-8 text here', { cause: error });
  }
}

/** True of `{"b64": "…"}`, which stands for a text. */
export function isBase64(value: unknown): value is { b64: string } {
  return isObject(value) && typeof value['b64'] === 'string' && Object.keys(value).length === 1;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'Null';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return 'Array';
  return { string: 'String', number: 'Number' }[typeof value as string] ?? 'Object';
}

/** Enough of a value to know it again, however large or deep it is. */
export function shown(value: unknown): string {
  let text = '';
  const hasRoom = (): boolean => text.length <= mostShown;
  const addAll = (parts: Iterable<unknown>, names?: readonly string[]): void => {
    let at = 0;
    for (const part of parts) {
      if (!hasRoom()) return;
      if (at > 0) text += ',';
      if (names) text += `${JSON.stringify(names[at]!.slice(0, mostShown))}:`;
      at++;
      add(part);
    }
  };
  const add = (part: unknown): void => {
    if (Array.isArray(part)) {
      text += '[';
      addAll(part);
      text += ']';
    } else if (isObject(part)) {
      text += '{';
      addAll(Object.values(part), Object.keys(part));
      text += '}';
    } else {
      text += typeof part === 'string' ? JSON.stringify(part.slice(0, 2 * mostShown)) : String(part);
    }
  };
  add(value);
  return hasRoom() ? text : `${text.slice(0, mostShown)}…`;
}

export function bad(message: string): DrayError {
  return new DrayError('invalid-request', message);
}
