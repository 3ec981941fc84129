/** Models for tests, written as ONNX has it (onnx.proto of onnx.ai): operators in a row, and nothing that was trained. */

/** onnx.TensorProto.DataType. */
const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
};

export interface OnnxValue {
  readonly name: string;
  readonly type: keyof typeof elementTypes;
  /** A name stands for any size. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers alone. */
  readonly attributes?: Readonly<Record<string, number>>;
}

export interface OnnxGraph {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly nodes: readonly OnnxNode[];
}

/** The bytes of a model.onnx. */
export function onnxModel({ inputs, outputs, nodes }: OnnxGraph): Buffer {
  const graph = Buffer.concat([
    ...nodes.map((node) => message(1, nodeOf(node))),
    text(2, 'graph'),
    ...inputs.map((value) => message(11, valueOf(value))),
    ...outputs.map((value) => message(12, valueOf(value))),
  ]);
  const operators = Buffer.concat([text(1, ''), whole(2, 13)]);
  return Buffer.concat([whole(1, 8), message(7, graph), message(8, operators)]);
}

/** Gives back what it gets. */
export function echoModel(values: readonly OnnxValue[]): Buffer {
  return onnxModel({
    inputs: values,
    outputs: values.map((value) => ({ ...value, name: `${value.name}_out` })),
    nodes: values.map(({ name }) => ({ op: 'Identity', inputs: [name], outputs: [`${name}_out`] })),
  });
}

/** Multiplies a square matrix by itself again and again, which takes its time. */
export function slowModel(times: number): Buffer {
  const square = { type: 'float32', shape: ['n', 'n'] } as const;
  return onnxModel({
    inputs: [{ name: 'x0', ...square }],
    outputs: [{ name: `x${times}`, ...square }],
    nodes: Array.from({ length: times }, (_, at) => ({
      op: 'MatMul',
      inputs: ['x0', `x${at}`],
      outputs: [`x${at + 1}`],
    })),
  });
}

function nodeOf({ op, inputs, outputs, attributes = {} }: OnnxNode): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) =>
      message(5, Buffer.concat([text(1, name), whole(3, value), whole(20, 2)])),
    ),
  ]);
}

function valueOf({ name, type, shape }: OnnxValue): Buffer {
  const dims = shape.map((size) => message(1, typeof size === 'number' ? whole(1, size) : text(2, size)));
  const tensor = Buffer.concat([whole(1, elementTypes[type]), message(2, Buffer.concat(dims))]);
  return Buffer.concat([text(1, name), message(2, message(1, tensor))]);
}

/** Protocol buffers: a field's number and kind, then what it holds. */
function whole(field: number, value: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

function message(field: number, content: Buffer): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
}

function text(field: number, content: string): Buffer {
  return message(field, Buffer.from(content));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80);
  return Buffer.from([...bytes, left]);
}
