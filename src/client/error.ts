import type { Job } from '../contract/job.js';
import { errorCatalogue } from '../jobs/errors.js';

/**
 * - `problem`: the server answered with problem details.
 * - `unreachable`: no answer came: nothing listens there, the connection broke, or nothing moved on it for too long.
 * - `unexpected`: something answered that does not speak like a Dray server.
 * - `job`: the job that was waited for failed or was cancelled.
 */
export type ClientErrorKind = 'problem' | 'unreachable' | 'unexpected' | 'job';

/** Any failed call. `message` says what happened, `next` what the user can do. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly kind: ClientErrorKind;
  /** A code of the error catalogue (docs/errors.md) or of the task; for other kinds the kind itself. */
  readonly code: string;
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** The field of the request that is to blame, such as `input.a`. */
  readonly field: string | undefined;
  readonly next: string;
  /** How long the server asks to be left alone, in ms. */
  readonly retryAfterMs: number | undefined;
  /** The job that failed or was cancelled, where that is the error. */
  readonly job: Job | undefined;

  constructor(params: {
    kind: ClientErrorKind;
    message: string;
    next: string;
    code?: string | undefined;
    status?: number | undefined;
    field?: string | undefined;
    retryAfterMs?: number | undefined;
    job?: Job;
    cause?: unknown;
  }) {
    super(params.message, params.cause === undefined ? undefined : { cause: params.cause });
    this.kind = params.kind;
    this.code = params.code ?? params.kind;
    this.status = params.status;
    this.field = params.field;
    this.next = params.next;
    this.retryAfterMs = params.retryAfterMs;
    this.job = params.job;
  }
}

const checkAddress =
  'Check that this is the address of a Dray server, not of another service or a proxy (--server, DRAY_SERVER or baseUrl).';

/** An error from an answer with an error status, whatever its body is. */
export function problemError(answer: {
  status: number;
  contentType: string;
  retryAfter: string | undefined;
  body: string;
}): ClientError {
  const { status, body } = answer;
  // The other form, a date, is left to proxies; backoff covers it.
  const retryAfterMs = /^\d{1,6}$/.test(answer.retryAfter ?? '')
    ? 1_000 * Number(answer.retryAfter)
    : undefined;
  const problem = answer.contentType.startsWith('application/problem+json') ? parseObject(body) : undefined;
  if (typeof problem?.['code'] !== 'string') {
    const message = `the server answered ${status} without problem details: ${excerpt(body)}`;
    return new ClientError({ kind: 'unexpected', status, retryAfterMs, message, next: checkAddress });
  }
  const { code, detail, title, field } = problem as Record<string, string | undefined> & { code: string };
  const known: Record<string, { readonly help: string } | undefined> = errorCatalogue;
  return new ClientError({
    kind: 'problem',
    code,
    status,
    retryAfterMs,
    field,
    message: detail || (title ?? code),
    next: known[code]?.help ?? `The server answered ${status} ${code}; its /docs may say more.`,
  });
}

/** An error where an answer came that no Dray server gives. @param what completes "the answer from <host> …". */
export function unexpectedAnswer(base: URL, status: number, what: string): ClientError {
  const message = `the answer from ${base.host} ${what}`;
  return new ClientError({ kind: 'unexpected', status, message, next: checkAddress });
}

/** An error where no answer came. `during` completes "the connection broke while …". */
export function transportError(base: URL, error: unknown, during: string): ClientError {
  const code = errorCode(error);
  const address = base.href.replace(/\/$/, '');
  const of = (message: string, next: string): ClientError =>
    new ClientError({ kind: 'unreachable', message, next, cause: error });
  if (code === 'ECONNREFUSED') {
    return of(
      `no dray server at ${address}`,
      'Start one with `dray serve`, or give its address with --server, DRAY_SERVER or baseUrl.',
    );
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return of(
      `the host name ${base.hostname} is not known`,
      'Check the address in --server, DRAY_SERVER or baseUrl.',
    );
  }
  const why = code ?? (error instanceof Error ? error.message : String(error));
  return of(
    `the connection to ${address} broke while ${during} (${why})`,
    'Check that the server is still running, then try again.',
  );
}

/** An error where nothing moved on the connection for `ms`. */
export function stalledError(base: URL, ms: number, during: string): ClientError {
  return new ClientError({
    kind: 'unreachable',
    message: `nothing moved on the connection to ${base.host} for ${ms / 1_000} s while ${during}`,
    next: 'Check the server and the network, or allow more time with timeoutMs.',
  });
}

/** An error where the job itself did not come to a result. */
export function jobError(job: Job): ClientError {
  const { id, status, error } = job;
  return new ClientError({
    kind: 'job',
    code: status === 'cancelled' ? 'cancelled' : error?.code,
    message:
      status === 'cancelled'
        ? `job ${id} was cancelled`
        : `job ${id} failed: ${error ? `${error.code}: ${error.message}` : 'no reason is recorded'}`,
    next:
      status === 'cancelled'
        ? 'Submit it again if that was not meant.'
        : 'Look at its attempts; redrive runs it again.',
    job,
  });
}

function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code: unknown = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : undefined;
}

/** The members of a JSON object that are text; undefined where the text is no JSON object. */
function parseObject(text: string): Record<string, string | undefined> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    return Object.fromEntries(Object.entries(value).filter(([, member]) => typeof member === 'string'));
  } catch {
    return undefined; // told like every foreign answer
  }
}

function excerpt(body: string): string {
  const line = body.replace(/\s+/g, ' ').trim();
  if (line === '') return '(empty body)';
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
