/**
 * Every error of the HTTP side becomes one of the catalogue here, and only here; and a problem document, unless the
 * door that it came through has a shape of its own.
 */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.js';
import { misfitOf } from '../contract/misfit.js';
import type { Problem } from '../contract/problem.js';
import { DrayError, errorCatalogue, isDiskFull, type ErrorCode } from '../jobs/errors.js';
import { challengeFor } from './credentials.js';

const retryAfterSeconds = 5;
/** How long the rest of a refused body is read, in ms. */
const lingerMs = 3_000;

export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  clock: Clock,
): FastifyReply {
  const { known, detail } = prepareRefusal(error, request, reply, clock);
  const { code, field } = known;
  const { status, title } = errorCatalogue[code];
  const problem: Problem = {
    type: `urn:dray:error:${code}`,
    title,
    status,
    code,
    detail,
    ...(field === undefined ? {} : { field }),
    requestId: request.id,
  };
  return reply.type('application/problem+json').send(JSON.stringify(problem));
}

/**
 * Does for an error answer what does not depend on the shape of its document, which is the caller's: status and
 * `retry-after` or `www-authenticate` are set, the log has what is the server's own fault, and a client that still sends its body will
 * be able to read the answer.
 *
 * @returns the error as one of the catalogue, and the text that may be told of it.
 */
export function prepareRefusal(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  clock: Clock,
): { readonly known: DrayError; readonly detail: string } {
  const known = asDrayError(error);
  const { status } = known;
  if (status >= 500) request.log.error({ reqId: request.id, err: error }, 'request failed');
  if (status === 429 || status === 503 || status === 507) void reply.header('retry-after', retryAfterSeconds);
  if (status === 401) void reply.header('www-authenticate', challengeFor(request.headers));
  if (!request.raw.complete) discardRest(request.raw, clock);
  void reply.code(status);
  return {
    known,
    detail: known.code === 'internal' ? 'The server met an unexpected error.' : known.message,
  };
}

/**
 * A client that still sends its body must be able to read the answer: closing at once would reset the
 * connection under it. The rest of the body is thrown away for a while; then the connection is cut.
 */
export function discardRest(body: IncomingMessage, clock: Clock): void {
  const cancelTimer = clock.after(lingerMs, () => body.destroy());
  body.once('close', cancelTimer);
  body.removeAllListeners('readable'); // left by whoever stopped reading; they would keep the data from flowing
  body.resume();
}

function asDrayError(error: unknown): DrayError {
  if (error instanceof DrayError) return error;
  if (isDiskFull(error))
    return new DrayError('storage-full', 'the disk of the data folder is full', { cause: error });
  const { validation, validationContext, code, message } = error as Partial<FastifyError>;
  if (validation) {
    const { path, message: reason } = misfitOf(validation);
    const field = [validationContext ?? 'request', ...(path === '' ? [] : [path])].join('.');
    return new DrayError('invalid-request', `${field}: ${reason}`, { field });
  }
  const mapped = fastifyCodes[code ?? ''];
  if (mapped) return new DrayError(mapped, message ?? '');
  return new DrayError('internal', message ?? String(error), { cause: error });
}

const fastifyCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid-request',
  FST_ERR_BAD_URL: 'invalid-request',
  FST_ERR_MAX_PARAM_LENGTH: 'invalid-request',
  ECONNRESET: 'upload-incomplete',
  ERR_STREAM_PREMATURE_CLOSE: 'upload-incomplete',
};
