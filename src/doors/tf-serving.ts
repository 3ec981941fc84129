/**
 * The door of TensorFlow Serving's REST clients: `POST /v1/models/{model}[/versions/{version}]:predict`, the status of
 * models and their metadata. No job: it answers at once, or says why not, as `{"error": "…"}`.
 * https://www.tensorflow.org/tfx/serving/api_rest
 */
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { bodyOf } from '../http/body.js';
import type { App, Door, ServerDependencies } from '../http/dependencies.js';
import { prepareRefusal } from '../http/problems.js';
import { DrayError } from '../jobs/errors.js';
import { MiB } from '../jobs/limits.js';
import { iteratorOf } from '../json/read.js';
import { Memory, type Share } from '../models/memory.js';
import type { Models, Servable, VersionStatus } from '../models/models.js';
import { defaultSignature, readRequest } from '../models/read-request.js';
import { elementBytes, elementsOf, mostElements, type TensorInfo } from '../models/tensor.js';
import { writeAnswer } from '../models/write-answer.js';
import { readAsJson } from './json-body.js';

/** Bytes of the body of a request, and of all bodies and inputs of the requests under way. */
const predictLimits = { body: 16 * MiB, underWay: 512 * MiB } as const;

const tags = ['TensorFlow Serving'];
const predictMethod = 'tensorflow/serving/predict';
const Failure = Type.Object({ error: Type.String() });
const asked =
  /^\/v1\/models\/([^/:]+)(?:\/versions\/(\d+)|\/labels\/([^/:]+))?(?:(\/metadata)|:(classify|regress|predict))?$/;
/** Where JSON has a value. */
const notFinite = /[[,:]\s*(-?(?:NaN|Inf(?:inity)?))\b/;
const mostVersion = 2n ** 63n - 1n;

/** A request for a prediction that found its model, as it was answered. */
export interface Prediction {
  readonly model: string;
  readonly version: number;
  readonly status: number;
  readonly seconds: number;
}

type AskedModels = Pick<Models, 'find' | 'status'>;

/** @param observe told of each prediction. @param memory of the requests under way. */
export function tensorFlowServing(
  models: AskedModels,
  observe: (prediction: Prediction) => void,
  memory = new Memory(predictLimits.underWay),
): Door<ServerDependencies> {
  return (app, dependencies) => addModels(app, dependencies, { models, observe, memory });
}

function addModels(
  app: App,
  dependencies: ServerDependencies,
  {
    models,
    observe,
    memory,
  }: { models: AskedModels; observe: (prediction: Prediction) => void; memory: Memory },
): void {
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
    async (request, reply): Promise<string> => {
      const { model, version, metadata, verb } = read(request);
      if (metadata || verb === undefined) throw malformed(request);
      let { version: used } = models.find(model, version); // before a body is read that nobody could use
      if (verb !== 'predict') {
        // ONNX knows no signatures but that of predictions: what TensorFlow Serving says of such models.
        const kind = verb === 'classify' ? 'classification' : 'regression';
        throw new DrayError(
          'invalid-request',
          `Expected ${kind} signature method_name to be tensorflow/serving/${verb}. Was: ${predictMethod}`,
        );
      }
      const since = clock.monotonic();
      const share = memory.share();
      let status = 200;
      try {
        const body = await readBody(request, mostBytes, share);
        // Anew: while the body came, the version may have been removed or replaced.
        const servable = models.find(model, version);
        used = servable.version;
        const wanted = readRequest(body, servable.signature, { mostElements });
        share.take(elementsOf(wanted.inputs) * elementBytes);
        const outputs = await servable.run({ ...wanted, abandoned: () => reply.raw.destroyed });
        void reply.type('application/json');
        return writeAnswer(outputs, wanted);
      } catch (error) {
        status = error instanceof DrayError ? error.status : 500;
        throw error;
      } finally {
        share.giveBack();
        const seconds = (clock.monotonic() - since) / 1_000;
        observe({ model, version: used, status, seconds });
      }
    },
  );
  app.route({
    url: '/v1/models/*',
    method: ['PUT', 'PATCH', 'DELETE'],
    schema: { hide: true },
    handler: (request) => {
      throw malformed(request);
    },
  });
}

interface Asked {
  readonly model: string;
  readonly version: number | undefined;
  readonly metadata: boolean;
  readonly verb: string | undefined;
}

function read(request: FastifyRequest): Asked {
  const [path = ''] = request.url.split('?', 1);
  const [, model, version, label, metadata, verb] = asked.exec(path) ?? [];
  if (model === undefined) throw malformed(request);
  if (label !== undefined) {
    const text = decodeURIComponent(label).slice(0, 100);
    throw new DrayError('invalid-request', `Unrecognized servable version label: ${text}`);
  }
  if (version !== undefined && version.length > 15 && BigInt(version) > mostVersion) {
    const text = version.slice(0, 100);
    throw new DrayError('invalid-request', `Failed to convert version: ${text} to numeric.`);
  }
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
async function readBody(request: FastifyRequest, limit: number, share: Share): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const source = iteratorOf(bodyOf(request));
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    size += next.value.length;
    if (size > limit) {
      throw new DrayError('body-too-large', `the request is larger than ${limit} bytes; send less in each`);
    }
    share.take(next.value.length);
    chunks.push(next.value);
  }
  if (size === 0) throw new DrayError('invalid-request', 'JSON Parse error: The document is empty');
  const text = Buffer.concat(chunks).toString();
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const [, word] = notFinite.exec(text) ?? [];
    const reason = word === undefined ? (error as Error).message : `${word} is no number that is taken here`;
    throw new DrayError('invalid-json', `JSON Parse error: ${reason}`, { cause: error });
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
    method_name: predictMethod,
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
