/**
 * A job submitted as multipart/form-data: every file part becomes a blob and stands for the input's member of
 * the same name; the text part `job` holds the rest of the submission, or `type` alone says what it is.
 */
import { Busboy } from '@fastify/busboy';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { SubmitJob } from '../contract/job.js';
import { DrayError } from '../jobs/errors.js';
import { limits } from '../jobs/limits.js';
import type { SubmissionContext } from './submission-json.js';

const maxParts = 32;

/** @throws DrayError with a 4xx code. The uploads hold what was stored until then. */
export async function readMultipartSubmission(
  body: Readable,
  headers: IncomingHttpHeaders,
  context: SubmissionContext,
): Promise<SubmitJob> {
  const texts = new Map<string, string>();
  const files = new Map<string, Promise<string>>();
  try {
    await parse(body, parser(headers, context, texts, files));
  } catch (error) {
    throw refusal(error);
  }
  const request = envelope(texts);
  const input: Record<string, unknown> = { ...asObject(request.input) };
  for (const [name, stored] of files) input[name] = { blob: await stored };
  return { ...request, input };
}

/** Unlike a pipeline it leaves the body open on an error: the answer needs the connection. */
function parse(body: Readable, busboy: InstanceType<typeof Busboy>): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      body.unpipe(busboy);
      busboy.destroy();
      reject(error);
    };
    busboy.once('finish', resolve);
    busboy.once('error', fail);
    body.once('error', fail);
    body.pipe(busboy);
  });
}

function parser(
  headers: IncomingHttpHeaders,
  context: SubmissionContext,
  texts: Map<string, string>,
  files: Map<string, Promise<string>>,
): InstanceType<typeof Busboy> {
  const busboy = new Busboy({
    headers: headers as IncomingHttpHeaders & { 'content-type': string },
    limits: { parts: maxParts, fieldSize: limits.jsonPayload, fieldNameSize: 128 },
    isPartAFile: (name, contentType, fileName) =>
      fileName !== undefined || (name !== 'job' && contentType === 'application/octet-stream'),
  });
  busboy.on('field', (name, value, _nameTruncated, valueTruncated) => {
    if (valueTruncated) {
      busboy.destroy(
        new DrayError('limit-exceeded', `part "${name}" is longer than ${limits.jsonPayload} bytes`),
      );
    }
    texts.set(name, value);
  });
  busboy.on('file', (name, stream, _fileName, _encoding, mediaType) => {
    if (files.has(name)) {
      busboy.destroy(new DrayError('invalid-request', `part "${name}" comes twice`, { field: name }));
      return;
    }
    const stored = context.uploads.store(stream, mediaType, context.bodyLimit).then((info) => info.id);
    stored.catch((error: unknown) => busboy.destroy(error as Error));
    busboy.once('close', () => stream.destroy()); // where the body ended early, so did this part
    files.set(name, stored);
  });
  busboy.on('partsLimit', () =>
    busboy.destroy(new DrayError('limit-exceeded', `the body has more than ${maxParts} parts`)),
  );
  return busboy;
}

function envelope(texts: ReadonlyMap<string, string>): SubmitJob {
  const unknown = [...texts.keys()].find((name) => name !== 'job' && name !== 'type');
  if (unknown !== undefined) {
    throw new DrayError(
      'invalid-request',
      `part "${unknown}" is not known here; text parts are job and type`,
      {
        field: unknown,
      },
    );
  }
  const job = texts.get('job');
  const type = texts.get('type');
  if (job === undefined && type === undefined) {
    throw new DrayError('invalid-request', 'a text part `job` (JSON) or `type` is needed', { field: 'job' });
  }
  const request = job === undefined ? {} : parseJob(job);
  return { ...request, ...(type === undefined ? {} : { type }) } as SubmitJob;
}

function parseJob(text: string): Record<string, unknown> {
  try {
    return asObject(JSON.parse(text));
  } catch (error) {
    if (error instanceof DrayError) throw error;
    throw new DrayError('invalid-json', `part "job": ${(error as Error).message}`, { field: 'job' });
  }
}

function asObject(value: unknown): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new DrayError('invalid-request', 'part "job" and its input must be JSON objects', { field: 'job' });
}

function refusal(error: unknown): unknown {
  if (error instanceof DrayError) return error;
  const { message, code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || /unexpected end/i.test(message)) {
    return new DrayError('upload-incomplete', 'the multipart body ended before its closing boundary');
  }
  if (code?.startsWith('E')) return error;
  return new DrayError('invalid-request', `multipart body: ${message}`);
}
