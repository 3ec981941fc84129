/**
 * The door of TensorFlow Serving's REST clients: `POST /v1/models/{model}[/versions/{version}]:predict`, the status of
 * models and their metadata. No job: it answers at once, or says why not, as `{"error": "…"}`.
 * https://www.tensorflow.org/tfx/serving/api_rest
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { bodyOf } from '../http/body.js';
import type { App, Door, ServerDependencies } from '../http/dependencies.js';
import { prepareRefusal } from '../http/problems.js';
import { DrayError } from '../jobs/errors.js';
import { MiB } from '../jobs/limits.js';
import { iteratorOf } from '../json/read.js';
import type { Models, Servable, VersionStatus } from '../models/models.js';
import { defaultSignature, readRequest } from '../models/read-request.js';
import type { TensorInfo } from '../models/tensor.js';
import { writeAnswer } from '../models/write-answer.js';
import { readAsJson } from './json-body.js';

/** Of a request: its bytes, and the elements of its tensors. */
export const predictLimits = { body: 16 * MiB, elements: 1_000_000 } as const;

const tags = ['TensorFlow Serving'];
const Failure = Type.Object({ error: Type.String() });
const asked = /^\/v1\/models\/([^/:]+)(?:\/versions\/(\d{1,15}))?(?:(\/metadata)|:(\w+))?$/;

export function tensorFlowServing(models: Models): Door<ServerDependencies> {
  return (app, dependencies) => addModels(app, dependencies, models);
}

function addModels(app: App, dependencies: ServerDependencies, models: Models): void {
  const { clock } = dependencies;
  const mostBytes = Math.min(dependencies.bodyLimit, predictLimits.body);
  readAsJson(app);
  app.setErrorHandler((error, request, reply) => {
    const { detail } = prepareRefusal(error, request, reply, clock);
    return reply.type('application/json').send(JSON.stringify({ error: detail }));
  });

  for (const path of ['/v1/models', '/v1/models/']) {
    app.get(path, { schema: { hide: true } }, () => {
      throw new DrayError('invalid-request', 'Missing model name in request.');
    });
  }
  // A colon within a part of a path is nothing that fastify's routes know: what follows is read here.
  app.get(
    '/v1/models/*',
    {
      schema: {
        tags,
        summary: 'Status of a model ({model}[/versions/{version}]), or its /metadata',
        response: { 200: Type.Unknown(), '4xx': Failure },
      },
    },
    (request, reply) => {
      const { model, version, metadata, verb } = read(request);
      if (verb !== undefined) throw malformed(request);
      const answer = metadata
        ? metadataOf(models.find(model, version))
        : { model_version_status: models.status(model, version).map(statusOf) };
      return reply.type('application/json').send(JSON.stringify(answer));
    },
  );
  app.post(
    '/v1/models/*',
    {
      schema: {
        tags,
        summary:
          'Ask a model: {model}[/versions/{version}]:predict, with rows as instances or columns as inputs',
        response: { 200: Type.Unknown(), '4xx': Failure },
      },
    },
    async (request, reply): Promise<FastifyReply> => {
      const { model, version, metadata, verb } = read(request);
      if (metadata || verb === undefined) throw malformed(request);
      const servable = models.find(model, version);
      if (verb !== 'predict') {
        throw new DrayError('invalid-request', `Method ${verb} is not supported here, only predict is`);
      }
      const body = await readBody(request, mostBytes);
      const wanted = readRequest(body, servable.signature, { mostElements: predictLimits.elements });
      const outputs = await servable.run(wanted);
      return reply.type('application/json').send(writeAnswer(outputs, wanted));
    },
  );
}

interface Asked {
  readonly model: string;
  readonly version: number | undefined;
  readonly metadata: boolean;
  readonly verb: string | undefined;
}

function read(request: FastifyRequest): Asked {
  const [path = ''] = request.url.split('?', 1);
  const [, model, version, metadata, verb] = asked.exec(path) ?? [];
  if (model === undefined) throw malformed(request);
  return {
    model: decodeURIComponent(model), // fastify has refused what cannot be decoded
    version: version === undefined ? undefined : Number(version),
    metadata: metadata !== undefined,
    verb,
  };
}

function malformed({ method, url }: FastifyRequest): DrayError {
  return new DrayError('invalid-request', `Malformed request: ${method} ${url.slice(0, 200)}`);
}

/** Whole: what is asked of a model is small, and a parser that streams is slower there. */
async function readBody(request: FastifyRequest, limit: number): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const source = iteratorOf(bodyOf(request));
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    size += next.value.length;
    if (size > limit) {
      throw new DrayError('body-too-large', `the request is larger than ${limit} bytes; send less in each`);
    }
    chunks.push(next.value);
  }
  if (size === 0) throw new DrayError('invalid-request', 'JSON Parse error: The document is empty');
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch (error) {
    throw new DrayError('invalid-json', `JSON Parse error: ${(error as Error).message}`, { cause: error });
  }
}

function statusOf({ version, state, error }: VersionStatus): object {
  const status = { error_code: error === undefined ? 'OK' : 'UNKNOWN', error_message: error ?? '' };
  return { version: String(version), state, status };
}

function metadataOf({ model, version, signature }: Servable): object {
  const described = {
    inputs: Object.fromEntries(signature.inputs.map((info) => [info.name, describe(info)])),
    outputs: Object.fromEntries(signature.outputs.map((info) => [info.name, describe(info)])),
    method_name: 'tensorflow/serving/predict',
  };
  return {
    model_spec: { name: model, signature_name: '', version: String(version) },
    metadata: { signature_def: { signature_def: { [defaultSignature]: described } } },
  };
}

/** As TensorFlow names them. */
const types = {
  ...{ float32: 'DT_FLOAT', float64: 'DT_DOUBLE', bool: 'DT_BOOL', string: 'DT_STRING' },
  ...{ int8: 'DT_INT8', int16: 'DT_INT16', int32: 'DT_INT32', int64: 'DT_INT64' },
  ...{ uint8: 'DT_UINT8', uint16: 'DT_UINT16', uint32: 'DT_UINT32', uint64: 'DT_UINT64' },
} as const satisfies Record<TensorInfo['type'], string>;

function describe({ name, type, shape }: TensorInfo): object {
  return {
    dtype: types[type],
    tensor_shape: { dim: shape.map((size) => ({ size: String(size), name: '' })), unknown_rank: false },
    name,
  };
}
