/** The answer to a `:predict` request, in the format of the request. */
import { DrayError } from '../jobs/errors.js';
import { sizeOf, type Tensor, type Tensors } from './tensor.js';

/**
 * @param outputs of which one stands by itself, and several are named.
 * @param request.rows as many rows each output must have where the request came in rows.
 */
export function writeAnswer(outputs: Tensors, request: { format: 'row' | 'column'; rows: number }): string {
  const names = Object.keys(outputs);
  if (request.format === 'column') {
    const [only] = names;
    if (names.length === 1) return `{"outputs":${write(only!, outputs[only!]!)}}`;
    return `{"outputs":{${names.map((name) => `${JSON.stringify(name)}:${write(name, outputs[name]!)}`).join()}}}`;
  }
  const columns = names.map((name) => rowsOf(name, outputs[name]!, request.rows));
  const [column] = columns;
  if (names.length === 1) return `{"predictions":[${column!.join()}]}`;
  const rows = column!.map((_, row) =>
    names.map((name, at) => `${JSON.stringify(name)}:${columns[at]![row]!}`).join(),
  );
  return `{"predictions":[${rows.map((row) => `{${row}}`).join()}]}`;
}

function rowsOf(name: string, tensor: Tensor, rows: number): string[] {
  if (tensor.dims[0] !== rows) {
    throw new DrayError(
      'invalid-request',
      `Tensor name: ${name} has inconsistent batch size: ${tensor.dims[0] ?? 'none'} expecting: ${rows}`,
    );
  }
  const rest = tensor.dims.slice(1);
  const width = sizeOf(rest);
  const text = elementWriter(name, tensor);
  return Array.from({ length: rows }, (_, row) => nest(text, rest, row * width));
}

function write(name: string, tensor: Tensor): string {
  return nest(elementWriter(name, tensor), tensor.dims, 0);
}

function nest(text: (at: number) => string, dims: readonly number[], at: number): string {
  const [size, ...rest] = dims;
  if (size === undefined) return text(at);
  const width = sizeOf(rest);
  let all = '[';
  for (let index = 0; index < size; index++) {
    all += (index === 0 ? '' : ',') + nest(text, rest, at + index * width);
  }
  return `${all}]`;
}

/** @param name that ends in `_bytes` where texts are to be written as bytes. */
function elementWriter(name: string, { type, data }: Tensor): (at: number) => string {
  switch (type) {
    case 'string':
      return name.endsWith('_bytes')
        ? (at) => `{"b64":"${Buffer.from(data[at] as string).toString('base64')}"}`
        : (at) => JSON.stringify(data[at]);
    case 'bool':
      return (at) => (data[at] ? 'true' : 'false');
    case 'float32':
      return (at) => fraction(shortest(data[at] as number));
    case 'float64':
      return (at) => fraction(data[at] as number);
    case 'int8':
    case 'uint8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
      return (at) => String(data[at]);
  }
}

const powersOfTen = [1, 10, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11] as const;

/** The double with the fewest digits, of those with six at least, that is the same float. */
function shortest(value: number): number {
  const size = Math.abs(value);
  // Six to nine digits, by arithmetic alone, which is several times faster than by text.
  if (size >= 1e-3 && size < 1e9) {
    const first = Math.max(0, 5 - Math.floor(Math.log10(size)));
    for (let digits = first; digits <= first + 3; digits++) {
      const near = Math.round(value * powersOfTen[digits]!) / powersOfTen[digits]!;
      if (Math.fround(near) === value) return near;
    }
  }
  if (value === 0) return value; // toPrecision loses the sign
  for (let digits = 6; digits < 9; digits++) {
    const near = Number(value.toPrecision(digits));
    if (Math.fround(near) === value) return near;
  }
  return Number(value.toPrecision(9));
}

/** Always seen to be one, so that no reader takes some for whole numbers. NaN and infinities as TensorFlow writes them. */
function fraction(value: number): string {
  if (!Number.isInteger(value)) return String(value);
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.includes('e') ? text : `${text}.0`;
}
