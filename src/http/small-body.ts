/** Bodies that are a few fields of JSON. */
import type { FastifyRequest } from 'fastify';
import { misfitOf } from '../contract/misfit.js';
import { DrayError } from '../jobs/errors.js';
import { RawValueSink } from '../json/raw.js';
import { readJson } from '../json/read.js';
import { bodyOf, mediaTypeOf } from './body.js';

const bodyLimit = 4_096;

/** As typebox compiles it. */
interface Schema<T> {
  Check(value: unknown): value is T;
  Errors(value: unknown): Parameters<typeof misfitOf>[0];
}

/**
 * @param params.what is sent, for errors.
 * @param params.reasons what to say of a field that does not fit, where the schema's own words would not help.
 * @throws DrayError `unsupported-media-type`, `invalid-json`, `body-too-large` or `invalid-request`.
 */
export async function readSmallBody<T>(
  request: FastifyRequest,
  params: {
    schema: Schema<T>;
    what: string;
    reasons?: Readonly<Record<string, string>>;
  },
): Promise<T> {
  const { schema, what, reasons = {} } = params;
  const mediaType = mediaTypeOf(request);
  if (mediaType !== 'application/json') {
    throw new DrayError(
      'unsupported-media-type',
      `content type "${mediaType.slice(0, 80)}": ${what} is sent as application/json`,
    );
  }
  const sink = new RawValueSink({ field: '', limit: bodyLimit });
  const body = await readJson(bodyOf(request), sink, { limit: bodyLimit });
  if (schema.Check(body)) return body;
  const { path, message } = misfitOf(schema.Errors(body));
  const field = path || 'body';
  throw new DrayError('invalid-request', `${field}: ${reasons[field] ?? message}`, { field });
}
