/** The result of a job in the form that the client asks for. */
import accepts from 'accepts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { loadPayload } from '../blobs/payload.js';
import type { Job } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { jsonForm } from '../tasks/json-form.js';
import type { Representation } from '../tasks/task.js';
import type { Dependencies } from './dependencies.js';
import { sendBlob, sendBytes } from './ranges.js';

/** @param preferred the form for a client that takes any; by default the first of the task's own order. */
export async function sendResult(
  job: Job,
  request: FastifyRequest,
  reply: FastifyReply,
  { tasks, blobs }: Pick<Dependencies, 'tasks' | 'blobs'>,
  preferred?: string,
): Promise<FastifyReply> {
  if (job.status !== 'completed' || job.result === undefined) {
    const why = job.error ? `: ${job.error.code}: ${job.error.message}` : '';
    throw new DrayError('result-not-ready', `job ${job.id} is ${job.status}${why}`);
  }
  const output = await loadPayload(blobs, job.result);
  const own = tasks.find(job.type)?.represent?.(output) ?? [];
  const json = jsonForm(output);
  const forms = own.some(({ mediaType }) => mediaType === json.mediaType) ? own : [...own, json];
  const mediaTypes = forms.map((form) => form.mediaType);
  if (preferred !== undefined && mediaTypes.includes(preferred)) mediaTypes.unshift(preferred);
  const wanted = accepts(request.raw).type(mediaTypes);
  const form = forms.find(({ mediaType }) => mediaType === wanted);
  if (!form) {
    throw new DrayError(
      'not-acceptable',
      `this result can be had as ${forms.map(({ mediaType }) => mediaType).join(' or ')}`,
    );
  }
  void reply.header('vary', 'accept');
  if (form.blob !== undefined) {
    const info = await blobs.stat({ id: form.blob });
    if (!info) throw new DrayError('blob-not-found', `the result of job ${job.id} has been removed`);
    return sendBlob(request, reply, blobs, { ...info, mediaType: form.mediaType }, fileName(job, form));
  }
  if (form.bytes) {
    const content = { bytes: form.bytes(), mediaType: form.mediaType };
    return sendBytes(request, reply, content, fileName(job, form));
  }
  const body = await started(form.stream!(blobs));
  if (request.method === 'HEAD') body.destroy();
  return reply.type(form.mediaType).send(request.method === 'HEAD' ? Readable.from([]) : body);
}

function fileName(job: Job, form: Representation): string {
  return `${job.id}.${form.mediaType.replace(/^.*\/(x-)?/, '')}`;
}

/** A stream whose first chunk is there: a form that cannot carry the data refuses while a status can still be set. */
async function started(source: AsyncIterable<Uint8Array | string>): Promise<Readable> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  async function* all(): AsyncGenerator<Uint8Array | string> {
    try {
      for (let next = first; !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return Readable.from(all(), { objectMode: false });
}
