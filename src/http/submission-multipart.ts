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
import { RawValueSink } from '../json/raw.js';
import { readJson } from '../json/read.js';
import type { SubmissionContext } from './submission-json.js';

type Parser = InstanceType<typeof Busboy>;

const textParts = ['job', 'type'];
const maxFiles = 32;

interface Parts {
  readonly texts: Map<string, string>;
  readonly files: Map<string, Promise<string>>;
}

/**
 * @param observe told every chunk of the body, in its order.
 * @throws DrayError with a 4xx code. The uploads hold what was stored until then.
 */
export async function readMultipartSubmission(
  body: Readable,
  headers: IncomingHttpHeaders,
  context: SubmissionContext,
  observe?: (chunk: Uint8Array) => void,
): Promise<SubmitJob> {
  const parts: Parts = { texts: new Map(), files: new Map() };
  try {
    if (observe) body.on('data', observe);
    await parse(body, createParser(headers, context, parts), context.bodyLimit);
  } catch (error) {
    throw refusal(error);
  }
  const request = await readEnvelope(parts.texts);
  const input: Record<string, unknown> = { ...asObject(request.input, 'job.input') };
  for (const [name, stored] of parts.files) input[name] = { blob: await stored };
  return { ...request, input };
}

/** Unlike a pipeline it leaves the body open on an error: the answer needs the connection. */
function parse(body: Readable, parser: Parser, limit: number): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      body.unpipe(parser);
      parser.destroy();
      reject(error);
    };
    let taken = 0;
    body.on('data', (chunk: Buffer) => {
      taken += chunk.length;
      if (taken > limit)
        fail(new DrayError('body-too-large', `the body is larger than the limit of ${limit} bytes`));
    });
    parser.once('finish', resolve);
    parser.once('error', fail);
    body.once('error', fail);
    body.pipe(parser);
  });
}

function createParser(
  headers: IncomingHttpHeaders,
  context: SubmissionContext,
  { texts, files }: Parts,
): Parser {
  const parser = new Busboy({
    headers: headers as IncomingHttpHeaders & { 'content-type': string },
    limits: { fields: textParts.length, files: maxFiles, fieldSize: limits.jsonPayload, fieldNameSize: 128 },
    isPartAFile: (name, contentType, fileName) =>
      fileName !== undefined || (name !== 'job' && contentType === 'application/octet-stream'),
  });
  const refuse = (code: 'invalid-request' | 'limit-exceeded', detail: string, field?: string) =>
    parser.destroy(new DrayError(code, detail, field === undefined ? {} : { field }));
  const streams = new Set<Readable>();
  // Where the body ended early, so did the parts that were on their way.
  parser.once('close', () => streams.forEach((stream) => stream.destroy()));
  parser.on('field', (name, value, _nameTruncated, valueTruncated) => {
    if (!textParts.includes(name)) {
      refuse('invalid-request', `part "${name}" is not known here; text parts are job and type`, name);
    } else if (texts.has(name)) refuse('invalid-request', `part "${name}" comes twice`, name);
    else if (valueTruncated) {
      refuse('limit-exceeded', `part "${name}" is longer than ${limits.jsonPayload} bytes`, name);
    }
    texts.set(name, value);
  });
  parser.on('file', (name, stream, _fileName, _encoding, mediaType) => {
    if (files.has(name)) {
      refuse('invalid-request', `part "${name}" comes twice`, name);
      return;
    }
    streams.add(stream);
    const stored = context.uploads.store(stream, mediaType, context.bodyLimit).then((info) => info.id);
    stored.catch((error: unknown) => parser.destroy(error as Error));
    files.set(name, stored);
  });
  parser.on('fieldsLimit', () => refuse('limit-exceeded', 'there are more text parts than job and type'));
  parser.on('filesLimit', () => refuse('limit-exceeded', `the body has more than ${maxFiles} file parts`));
  return parser;
}

async function readEnvelope(texts: ReadonlyMap<string, string>): Promise<SubmitJob> {
  const job = texts.get('job');
  const type = texts.get('type');
  if (job === undefined && type === undefined) {
    throw new DrayError('invalid-request', 'a text part `job` (JSON) or `type` is needed', { field: 'job' });
  }
  const request = job === undefined ? {} : asObject(await parseText(job), 'job');
  return { ...request, ...(type === undefined ? {} : { type }) } as SubmitJob;
}

/** By the same rules as any other JSON that comes in. */
function parseText(text: string): Promise<unknown> {
  const limit = limits.jsonPayload;
  return readJson([Buffer.from(text)], new RawValueSink({ field: 'job', limit }), { limit });
}

function asObject(value: unknown, field: string): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new DrayError('invalid-request', `${field} must be a JSON object`, { field });
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
