/** Tensors, as the requests, the batches and the runtime exchange them. */

/** Element types that requests can hold, with the array that their data are in. */
const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  /** 0 or 1 each. */
  bool: Uint8Array,
} as const;

/** Of the inputs of a request together, and of its outputs. */
export const mostElements = 1_000_000;
/** About what one takes, whatever its type. */
export const elementBytes = 8;

type NumericType = keyof typeof arrays;
export type ElementType = NumericType | 'string';
export type TensorData =
  | (
      | Float32Array
      | Float64Array
      | Int8Array
      | Uint8Array
      | Int16Array
      | Uint16Array
      | Int32Array
      | Uint32Array
    )
  | (BigInt64Array | BigUint64Array)
  | string[];

export interface Tensor {
  readonly type: ElementType;
  /** Rows first; the product of all is the number of elements. */
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** Of an input or an output. */
export interface TensorInfo {
  readonly name: string;
  readonly type: ElementType;
  /** -1 stands for any size. */
  readonly shape: readonly number[];
}

/** What a model takes and gives. Both are in the order of the model. */
export interface Signature {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

export type Tensors = Readonly<Record<string, Tensor>>;

export function isElementType(type: string): type is ElementType {
  return type === 'string' || type in arrays;
}

export function emptyData(type: ElementType, size: number): TensorData {
  return type === 'string' ? new Array<string>(size).fill('') : new arrays[type](size);
}

export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((size, dim) => size * dim, 1);
}

export function elementsOf(tensors: Tensors): number {
  return Object.values(tensors).reduce((sum, { data }) => sum + data.length, 0);
}

/** True where rows of several requests may run together: every input and output has any number of rows. */
export function isBatched({ inputs, outputs }: Signature): boolean {
  return [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
}

/** One tensor after the other along the rows. All have the same type and the same dims but for the rows. */
export function join(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (first === undefined || tensors.length === 1) return first!;
  const rows = tensors.reduce((sum, { dims }) => sum + dims[0]!, 0);
  const dims = [rows, ...first.dims.slice(1)];
  if (first.type === 'string') {
    return { type: first.type, dims, data: tensors.flatMap(({ data }) => data as string[]) };
  }
  const data = emptyData(first.type, sizeOf(dims)) as Float32Array;
  let at = 0;
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, at); // of the same kind, whichever it is
    at += tensor.data.length;
  }
  return { type: first.type, dims, data };
}

/** The opposite of `join`. @param rows of each part. */
export function split(tensor: Tensor, rows: readonly number[]): Tensor[] {
  if (rows.length === 1) return [tensor];
  const rest = tensor.dims.slice(1);
  const width = sizeOf(rest);
  let at = 0;
  return rows.map((count) => {
    const data = tensor.data.slice(at, (at += count * width));
    return { type: tensor.type, dims: [count, ...rest], data };
  });
}
