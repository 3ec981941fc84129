/** A submission, in whatever form it came and through whatever door, becomes a queued job. */
import type { FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import { Compile } from 'typebox/compile';
import { SubmitJob } from '../contract/job.js';
import type { Job } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { admit } from '../tasks/admission.js';
import type { Dependencies } from './dependencies.js';
import { readJsonSubmission, type SubmissionContext } from './submission-json.js';
import { readMultipartSubmission } from './submission-multipart.js';
import { Uploads } from './uploads.js';

const schema = Compile(SubmitJob);

/** Reads the body of a request as a submission; what it stores on the way goes through the context's uploads. */
export type ReadSubmission = (request: FastifyRequest, context: SubmissionContext) => Promise<SubmitJob>;

/**
 * @param read the form of the body: that of `/v1/jobs` unless a door says otherwise.
 * @throws DrayError with a 4xx code; nothing of the request is left then.
 */
export async function submitFrom(
  request: FastifyRequest,
  dependencies: Dependencies,
  read: ReadSubmission = readSubmission,
): Promise<Job> {
  refuseTooLarge(request, dependencies.bodyLimit);
  const uploads = new Uploads(dependencies.blobs);
  try {
    const submission = await read(request, { ...dependencies, uploads });
    if (!schema.Check(submission)) throw misfit(submission);
    const admitted = await admit(submission, dependencies);
    if ('blob' in admitted.input) uploads.add(admitted.input.blob);
    const [job] = await dependencies.engine.submit({ jobs: [admitted] });
    return job!;
  } catch (error) {
    await uploads.discard();
    throw error;
  }
}

/** Says no by the announced length, before a byte of the body is read. @throws DrayError `body-too-large`. */
export function refuseTooLarge(request: FastifyRequest, limit: number): void {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced <= limit) return;
  throw new DrayError('body-too-large', `the body has ${announced} bytes, the limit is ${limit}`);
}

async function readSubmission(request: FastifyRequest, context: SubmissionContext): Promise<SubmitJob> {
  const mediaType = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  const body = request.body as Readable | undefined;
  if (mediaType === 'multipart/form-data' && body) {
    return readMultipartSubmission(body, request.headers, context);
  }
  if (mediaType === 'application/json') return readJsonSubmission(bodyOf(request), context);
  throw new DrayError(
    'unsupported-media-type',
    `content type "${mediaType.slice(0, 80)}": a job is sent as application/json or multipart/form-data`,
  );
}

/** The bytes of the body as they arrive; none where there is no body. */
export function bodyOf(request: FastifyRequest): AsyncIterable<Uint8Array> {
  return (request.body as Readable | undefined) ?? nothing();
}

async function* nothing(): AsyncIterable<Uint8Array> {
  // a request without a body
}

function misfit(submission: unknown): DrayError {
  const [error] = schema.Errors(submission);
  const field = (error?.instancePath ?? '').slice(1).replaceAll('/', '.') || 'body';
  return new DrayError('invalid-request', `${field}: ${error?.message ?? 'does not fit its schema'}`, {
    field,
  });
}
