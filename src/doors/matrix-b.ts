/** Matrix service B: `POST /matrix_multiplication/` queues a product, `GET /matrix_multiplication/{id}` shows it. */
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { loadPayload } from '../blobs/payload.js';
import type { SubmitJob } from '../contract/job.js';
import type { Job } from '../engine/engine.js';
import type { App, Dependencies } from '../http/dependencies.js';
import { sendResult } from '../http/result.js';
import { submitFrom } from '../http/submission.js';
import type { SubmissionContext } from '../http/submission-json.js';
import { DrayError } from '../jobs/errors.js';
import type { MatmulOutput } from '../tasks/matmul/input.js';
import { BodyFault, Detail, Misfit, sendDetail } from './fastapi-errors.js';
import { findJob } from './find-job.js';
import { readAsJson } from './json-body.js';
import { jsonBytes, matmul, missingMatrix, readMatrices } from './matrices.js';
import { Multiplication, multiplicationUrl, viewMultiplication } from './multiplication-view.js';

const path = '/matrix_multiplication';
const json = 'application/json';
/** Elements of the largest product that is part of the answer about its job. */
const inlineElements = 4_096;

const tags = ['matrix service B'];
const Rows = Type.Array(Type.Array(Type.Number()));
const ById = Type.Object({ id: Type.String({ description: 'A UUID.' }) });
/** It is sent as text that is JSON already. */
const MultiplicationText = Type.Unsafe<string>(Multiplication);
const Accepted = Type.Object({
  id: Type.String({ format: 'uuid' }),
  status: Type.Literal('pending'),
  url: Type.String({ description: 'Where the job can be read.' }),
});

export function matrixServiceB(app: App, dependencies: Dependencies): void {
  const { clock, engine } = dependencies;
  app.setErrorHandler((error, request, reply) => sendDetail(error, request, reply, clock));
  readAsJson(app, { refuseMultipart: true });
  const find = (id: string): Promise<Job> => findJob(engine, { id, type: matmul }, 'matrix multiplication');

  // With and without the trailing slash are routes of their own: a redirect would cost many clients their body.
  for (const slash of ['/', '']) {
    app.post(
      path + slash,
      {
        schema: {
          hide: slash === '',
          tags,
          summary: 'Queue a matrix multiplication',
          body: Type.Object({ A: Rows, B: Rows }, { description: 'a and b are taken too.' }),
          response: { 202: Accepted, 422: Misfit, '4xx': Detail },
        },
      },
      async (request, reply) => {
        const { id } = await submitFrom(request, dependencies, readBody);
        const url = multiplicationUrl(id);
        return reply.code(202).header('location', url).send({ id, status: 'pending', url });
      },
    );

    // Where the id is missing: matrices are sent by POST, and FastAPI says no more than this either.
    app.get(path + slash, { schema: { hide: true } }, (_request, reply) =>
      reply.code(405).header('allow', 'POST').send({ detail: 'Method Not Allowed' }),
    );

    app.get(
      `${path}/:id${slash}`,
      {
        schema: {
          hide: slash !== '',
          tags,
          summary: 'Read a matrix multiplication, and its product where that is small',
          params: ById,
          response: { 200: MultiplicationText, '4xx': Detail },
        },
      },
      async (request, reply) => {
        const job = await find(request.params.id);
        return reply.type(json).send(await documentOf(job, dependencies));
      },
    );

    app.get(
      `${path}/:id/result${slash}`,
      {
        schema: {
          hide: slash !== '',
          tags,
          summary: 'Fetch the product: rows as JSON, or .npy where Accept asks for application/x-npy',
          params: ById,
          response: { 200: Rows, '4xx': Detail },
        },
      },
      async (request, reply) => sendResult(await find(request.params.id), request, reply, dependencies, json),
    );
  }
}

async function readBody(request: FastifyRequest, context: SubmissionContext): Promise<SubmitJob> {
  const bytes = await jsonBytes(request);
  if (bytes === undefined)
    throw new BodyFault('missing', '', 'the body is missing: {"A": [[…]], "B": [[…]]}');
  const submission = await readMatrices(bytes, context);
  if (submission === undefined) throw missingMatrix('A');
  return submission;
}

/** The text of a `Multiplication`. Its rows are the task's own text: parsed and written again, −0 would be lost. */
async function documentOf(job: Job, dependencies: Dependencies): Promise<string> {
  const view = viewMultiplication(job);
  const { summary, rows } = job.result ? await resultOf(job.result, dependencies) : noResult;
  return `${JSON.stringify({ ...view, ...summary }).slice(0, -1)},"result":${rows ?? 'null'}}`;
}

interface ResultPart {
  readonly summary: Partial<Pick<Multiplication, 'rows' | 'cols' | 'simulated' | 'note'>>;
  /** JSON; undefined where the product is not to be had here. */
  readonly rows?: string;
}

const noResult: ResultPart = { summary: {} };

async function resultOf(
  payload: NonNullable<Job['result']>,
  { blobs, tasks }: Dependencies,
): Promise<ResultPart> {
  const output = (await loadPayload(blobs, payload)) as MatmulOutput;
  const { rows, cols } = output;
  const without = (note: string): ResultPart => ({ summary: { rows, cols, note } });
  if ('simulated' in output) return { summary: { rows, cols, simulated: true } };
  if (!output.finite) {
    return without(
      'the product holds infinities or NaN, which JSON cannot carry; ' +
        'fetch result_url with Accept: application/x-npy',
    );
  }
  if (rows * cols > inlineElements) return without('the product is large; fetch it from result_url');
  const form = tasks
    .get(matmul)
    .represent?.(output)
    .find(({ mediaType }) => mediaType === json);
  try {
    let text = '';
    for await (const chunk of form!.stream!(blobs)) text += String(chunk);
    return { summary: { rows, cols }, rows: text };
  } catch (error) {
    if (error instanceof DrayError && error.code === 'blob-not-found')
      return without('the product was removed');
    throw error;
  }
}
