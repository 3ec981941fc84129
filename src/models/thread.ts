/**
 * In a thread of its own: ONNX Runtime, whose `run` keeps a thread busy until it ends. It is asked by messages, and
 * answers each with one.
 */
import { parentPort } from 'node:worker_threads';
import type { InferenceSession } from 'onnxruntime-node';
import type { ErrorCode } from '../jobs/errors.js';
import { isElementType, mostElements, sizeOf } from './tensor.js';
import type { Signature, Tensor, TensorInfo, Tensors } from './tensor.js';

export type Question =
  | { readonly id: number; readonly kind: 'load'; readonly key: string; readonly file: string }
  | { readonly id: number; readonly kind: 'unload'; readonly key: string }
  | { readonly id: number; readonly kind: 'run'; readonly key: string; readonly inputs: Tensors };

export type Answer =
  | { readonly id: number; readonly value: Signature | Tensors | undefined }
  | { readonly id: number; readonly error: string; readonly code: ErrorCode };

/** A failure for which the client is told why. */
class Refusal extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** How the runtime, which gives no codes, speaks of inputs that the model cannot take. */
const ofInputs = /invalid|shape|dimension|rank|bounds|range|index|indices|broadcast/i;

interface Loaded {
  readonly session: InferenceSession;
  readonly signature: Signature;
}

if (!parentPort) throw new Error('this is a script of a worker thread');
const port = parentPort;
const ort = (await import('onnxruntime-node')).default;
const loaded = new Map<string, Loaded>();

port.on('message', (question: Question) => {
  void answer(question).then(
    (value) => port.postMessage({ id: question.id, value } satisfies Answer),
    (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      const code = error instanceof Refusal ? error.code : 'internal';
      port.postMessage({ id: question.id, error: reason, code } satisfies Answer);
    },
  );
});

async function answer(question: Question): Promise<Signature | Tensors | undefined> {
  switch (question.kind) {
    case 'load':
      return load(question.key, question.file);
    case 'unload':
      await loaded.get(question.key)?.session.release();
      loaded.delete(question.key);
      return undefined;
    case 'run':
      return run(question.key, question.inputs);
  }
}

async function load(key: string, file: string): Promise<Signature> {
  // The threads of a model would fight with those of the others: what is parallel here are the batches.
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const signature = {
      inputs: session.inputMetadata.map(infoOf),
      outputs: session.outputMetadata.map(infoOf),
    };
    if (signature.inputs.length === 0 || signature.outputs.length === 0) {
      throw new Error('it has no inputs or no outputs');
    }
    loaded.set(key, { session, signature });
    return signature;
  } catch (error) {
    await session.release();
    throw error;
  }
}

function infoOf(metadata: InferenceSession.ValueMetadata): TensorInfo {
  const { name } = metadata;
  if (!metadata.isTensor) throw new Error(`"${name}" is no tensor`);
  const { type, shape } = metadata;
  if (!isElementType(type)) throw new Error(`"${name}" has elements of type ${type}, which JSON cannot give`);
  return { name, type, shape: shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)) };
}

async function run(key: string, inputs: Tensors): Promise<Tensors> {
  const { session, signature } = loaded.get(key)!;
  const feeds = Object.fromEntries(
    signature.inputs.map(({ name }) => {
      const { type, data, dims } = inputs[name]!;
      return [name, new ort.Tensor(type as 'float32', data as Float32Array, dims)];
    }),
  );
  const outputs = await session.run(feeds).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw ofInputs.test(reason) ? new Refusal('invalid-request', reason.slice(0, 500)) : error;
  });
  const size = Object.values(outputs).reduce((sum, { dims }) => sum + sizeOf(dims), 0);
  // Before it is copied.
  if (size > mostElements) {
    throw new Refusal(
      'body-too-large',
      `the outputs have ${size} elements, more than ${mostElements}; ask for fewer in each request`,
    );
  }
  const tensors = signature.outputs.map(({ name, type }): [string, Tensor] => {
    const { data, dims } = outputs[name]!;
    return [name, { type, dims, data }];
  });
  return Object.fromEntries(tensors);
}
