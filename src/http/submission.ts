/** A submission, in whatever form it came and through whatever door, becomes a queued job. */
import type { FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import { Compile } from 'typebox/compile';
import { SubmitJob } from '../contract/job.js';
import { misfitOf } from '../contract/misfit.js';
import type { Job, NewJob } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import type { Bytes } from '../json/read.js';
import { admit } from '../tasks/admission.js';
import { bodyOf, mediaTypeOf } from './body.js';
import type { Dependencies } from './dependencies.js';
import { fingerprintOf, type Fingerprint } from './idempotency.js';
import { batchLimit, ofBatch, readBatch } from './submission-batch.js';
import { readJsonSubmission, type SubmissionContext } from './submission-json.js';
import { readMultipartSubmission } from './submission-multipart.js';
import { Uploads } from './uploads.js';

const schema = Compile(SubmitJob);

/** Reads the body of a request as a submission; what it stores on the way goes through the context's uploads. */
export type ReadSubmission = (request: FastifyRequest, context: SubmissionContext) => Promise<SubmitJob>;

/** The jobs of a submission, in its order. */
export interface Submitted {
  readonly jobs: readonly [Job, ...Job[]];
  /** True where these are the jobs of an earlier request with the same Idempotency-Key, as they are now. */
  readonly repeated: boolean;
}

/**
 * One job, from a door that has its own form of the body and knows no Idempotency-Key.
 * @throws DrayError with a 4xx code; nothing of the request is left then.
 */
export async function submitFrom(
  request: FastifyRequest,
  dependencies: Dependencies,
  read: ReadSubmission,
): Promise<Job> {
  const { jobs } = await submitAll(request, dependencies, async (context) => [
    await admitChecked(await read(request, context), dependencies, context.uploads),
  ]);
  return jobs[0];
}

/**
 * One job, from a door that has its own form of the body and heeds an Idempotency-Key.
 * @throws DrayError with a 4xx code; nothing of the request is left then.
 */
export async function submitOnceFrom(
  request: FastifyRequest,
  dependencies: Dependencies,
  read: (body: Bytes) => Promise<SubmitJob>,
): Promise<Submitted> {
  const fingerprint = fingerprintOf(request);
  const admitOne = async ({ uploads }: SubmissionContext): Promise<NewJob[]> => [
    await admitChecked(await read(observed(bodyOf(request), fingerprint)), dependencies, uploads),
  ];
  return submitAll(request, dependencies, admitOne, fingerprint);
}

/**
 * One job in the forms of `POST /v1/jobs`.
 * @throws DrayError with a 4xx code; nothing of the request is left then.
 */
export async function submitOne(request: FastifyRequest, dependencies: Dependencies): Promise<Submitted> {
  const fingerprint = fingerprintOf(request);
  const admitOne = async (context: SubmissionContext): Promise<NewJob[]> => [
    await admitChecked(await readSubmission(request, context, fingerprint), dependencies, context.uploads),
  ];
  return submitAll(request, dependencies, admitOne, fingerprint);
}

/**
 * All jobs of a batch, or none.
 * @throws DrayError with a 4xx code that names the job; nothing of the request is left then.
 */
export async function submitBatch(request: FastifyRequest, dependencies: Dependencies): Promise<Submitted> {
  const fingerprint = fingerprintOf(request);
  const bodyLimit = Math.min(dependencies.bodyLimit, batchLimit);
  const admitAll = async ({ uploads }: SubmissionContext): Promise<NewJob[]> => {
    if (mediaTypeOf(request) !== 'application/json')
      throw unsupported(request, 'a batch', 'application/json');
    const batch = await readBatch(observed(bodyOf(request), fingerprint), bodyLimit);
    const admitted: NewJob[] = [];
    for (const [index, job] of batch.entries()) {
      admitted.push(await ofBatch(index, () => admitChecked(job, dependencies, uploads)));
    }
    return admitted;
  };
  return submitAll(request, { ...dependencies, bodyLimit }, admitAll, fingerprint);
}

/** What the request stores goes with it where it is refused, or repeats an earlier one. */
async function submitAll(
  request: FastifyRequest,
  dependencies: Dependencies,
  admitAll: (context: SubmissionContext) => Promise<readonly NewJob[]>,
  fingerprint?: Fingerprint,
): Promise<Submitted> {
  const full = dependencies.jobsRefusal();
  // Full or not, who repeats a request learns of the jobs that it has: a disk without room takes no body for that.
  if (full && !(fingerprint && full.code === 'queue-full')) throw full;
  refuseTooLarge(request, dependencies.bodyLimit);
  const uploads = new Uploads(dependencies.blobs);
  let asked = false;
  try {
    const admitted = await admitAll({ ...dependencies, uploads });
    const once = fingerprint && { ...fingerprint.once(), ...(full && { onlyKnown: true }) };
    const jobs = admitted.map((job) =>
      dependencies.projected.has(job.type) ? { ...job, projection: job.type } : job,
    );
    asked = true;
    const answer = await dependencies.engine.submit({ jobs, ...(once && { once }) });
    asked = false;
    if (answer.kind === 'unknown') throw full!;
    if (answer.kind === 'conflict') {
      throw new DrayError(
        'idempotency-conflict',
        'another request was accepted under this Idempotency-Key: take a new key for a new request',
        { field: 'headers.idempotency-key' },
      );
    }
    if (answer.jobs.length < admitted.length) {
      throw new DrayError(
        'job-not-found',
        'this Idempotency-Key is that of an earlier request whose jobs are no longer kept',
      );
    }
    const repeated = answer.kind === 'repeated';
    if (repeated) await uploads.discard();
    return { jobs: answer.jobs as readonly [Job, ...Job[]], repeated };
  } catch (error) {
    // A store that went away at that moment may have the jobs, and they need what was stored for them. Where it has
    // not, nothing uses the blobs, and retention removes them.
    const unsure = asked && error instanceof DrayError && error.code === 'unavailable';
    if (!unsure) await uploads.discard();
    throw error;
  }
}

async function admitChecked(
  submission: unknown,
  dependencies: Dependencies,
  uploads: Uploads,
): Promise<NewJob> {
  if (!schema.Check(submission)) throw misfit(submission);
  const admitted = await admit(submission, dependencies);
  if ('blob' in admitted.input) uploads.add(admitted.input.blob);
  return admitted;
}

/** Says no by the announced length, before a byte of the body is read. @throws DrayError `body-too-large`. */
export function refuseTooLarge(request: FastifyRequest, limit: number): void {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced <= limit) return;
  throw new DrayError('body-too-large', `the body has ${announced} bytes, the limit is ${limit}`);
}

async function readSubmission(
  request: FastifyRequest,
  context: SubmissionContext,
  fingerprint: Fingerprint | undefined,
): Promise<SubmitJob> {
  const mediaType = mediaTypeOf(request);
  const body = request.body as Readable | undefined;
  if (mediaType === 'multipart/form-data' && body) {
    return readMultipartSubmission(body, request.headers, context, fingerprint?.observe);
  }
  if (mediaType === 'application/json') {
    return readJsonSubmission(observed(bodyOf(request), fingerprint), context);
  }
  throw unsupported(request, 'a job', 'application/json or multipart/form-data');
}

function unsupported(request: FastifyRequest, what: string, taken: string): DrayError {
  const given = mediaTypeOf(request).slice(0, 80);
  return new DrayError('unsupported-media-type', `content type "${given}": ${what} is sent as ${taken}`);
}

function observed(body: Bytes, fingerprint: Fingerprint | undefined): Bytes {
  return fingerprint ? fingerprint.through(body) : body;
}

function misfit(submission: unknown): DrayError {
  const errors = schema.Errors(submission);
  const { path, message } = misfitOf(errors);
  const field = path.slice(0, 128) || 'body';
  const reason =
    path.startsWith('labels.') && errors[0]?.keyword === 'boolean'
      ? 'the name of a label has 1 to 64 characters of A–Z a–z 0–9 . _ / -'
      : message;
  return new DrayError('invalid-request', `${field}: ${reason}`, { field });
}
