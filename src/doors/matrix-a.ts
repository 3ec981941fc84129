/**
 * Matrix service A: takes a matrix job and only queues it. Its load test sends no body at all, so that jobs of a
 * configured size come from random matrices, made where they are multiplied.
 */
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Clock } from '../clock.js';
import type { SubmitJob } from '../contract/job.js';
import type { App, Dependencies } from '../http/dependencies.js';
import { submitFrom } from '../http/submission.js';
import type { SubmissionContext } from '../http/submission-json.js';
import { DrayError } from '../jobs/errors.js';
import { limits } from '../jobs/limits.js';
import { RawValueSink } from '../json/raw.js';
import { BodyFault, Detail, Misfit, sendDetail } from './fastapi-errors.js';
import { readAsJson } from './json-body.js';
import { jsonBytes, matmul, readMatrices } from './matrices.js';

/** Rows and columns of each random matrix where the request has no body. */
const defaultSize = 100;
const largestSize = Math.floor(Math.sqrt(limits.matrixElements));
const seeds = 2 ** 32;

const Rows = Type.Array(Type.Array(Type.Number()));
const Body = Type.Union([
  Type.Object({ a: Rows, b: Rows }, { description: 'A and B are taken too.' }),
  Type.Object({
    size: Type.Integer({ minimum: 1, maximum: largestSize, description: 'Two random size × size matrices.' }),
  }),
]);
const Submitted = Type.Object({
  id: Type.String({ format: 'uuid' }),
  status: Type.Literal('submitted'),
  url: Type.String({ description: 'Where the job can be read: an address of the native API.' }),
});

export function matrixServiceA(app: App, dependencies: Dependencies): void {
  const { clock } = dependencies;
  app.setErrorHandler((error, request, reply) => sendDetail(error, request, reply, clock));
  readAsJson(app, { refuseMultipart: true });
  const read = (request: FastifyRequest, context: SubmissionContext) => readBody(request, context, clock);

  // Both spellings are routes of their own: a redirect would cost many clients their body.
  for (const path of ['/matrix-multiplication/submit-job/', '/matrix-multiplication/submit-job']) {
    app.post(
      path,
      {
        schema: {
          hide: !path.endsWith('/'),
          tags: ['matrix service A'],
          summary: 'Queue a matrix multiplication',
          description: 'Without a body, two random matrices of 100 × 100 are multiplied.',
          body: Body,
          response: { 202: Submitted, 422: Misfit, '4xx': Detail },
        },
      },
      async (request, reply) => {
        const { id } = await submitFrom(request, dependencies, read);
        const url = `/v1/jobs/${id}`;
        return reply.code(202).header('location', url).send({ id, status: 'submitted', url });
      },
    );
  }
}

async function readBody(
  request: FastifyRequest,
  context: SubmissionContext,
  clock: Clock,
): Promise<SubmitJob> {
  const bytes = await jsonBytes(request);
  if (bytes === undefined) return randomMatrices(defaultSize, clock);
  const size = new RawValueSink({ field: 'size', limit: 64 });
  const matrices = await readMatrices(bytes, context, new Map([['size', size]])).catch(
    (error: unknown): never => {
      throw isTooLong(error) ? wrongSize() : error;
    },
  );
  if (matrices === undefined && !size.done) {
    const bodies = '{"a": [[…]], "b": [[…]]} or {"size": n}';
    throw new BodyFault('missing', '', `the matrices are missing; a body is ${bodies}`);
  }
  if (!size.done) return matrices!;
  if (matrices === undefined) return randomMatrices(wholeSize(size.value()), clock);
  throw new DrayError('invalid-request', 'size: is for random matrices, and cannot go with given ones', {
    field: 'size',
  });
}

function wholeSize(value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= largestSize) {
    return value as number;
  }
  throw wrongSize();
}

function wrongSize(): DrayError {
  return new DrayError('invalid-request', `size: must be a whole number from 1 to ${largestSize}`, {
    field: 'size',
  });
}

/** Of a size with so much text that it is not even read. Its own error would advise to upload it as a blob. */
function isTooLong(error: unknown): boolean {
  return error instanceof DrayError && error.code === 'limit-exceeded' && error.field === 'size';
}

function randomMatrices(size: number, clock: Clock): SubmitJob {
  const matrix = () => ({
    random: { rows: size, cols: size, seed: Math.floor(clock.random() * seeds) },
  });
  return { type: matmul, input: { a: matrix(), b: matrix() } };
}
