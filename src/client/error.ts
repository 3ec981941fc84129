import { errorCatalogue } from '../jobs/errors.js';

/**
 * - `problem`: the server answered with problem details.
 * - `unreachable`: no answer came: nothing listens there, or the connection broke.
 * - `unexpected`: something answered that does not speak like a Dray server.
 */
export type ClientErrorKind = 'problem' | 'unreachable' | 'unexpected';

/** Any failed call. `message` says what happened, `next` what the user can do. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly kind: ClientErrorKind;
  /** A code of the error catalogue; for other kinds the kind itself. */
  readonly code: string;
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined;
  readonly field: string | undefined;
  readonly next: string;

  constructor(params: {
    kind: ClientErrorKind;
    message: string;
    next: string;
    code?: string;
    status?: number;
    field?: string;
    cause?: unknown;
  }) {
    super(params.message, params.cause === undefined ? undefined : { cause: params.cause });
    this.kind = params.kind;
    this.code = params.code ?? params.kind;
    this.status = params.status;
    this.field = params.field;
    this.next = params.next;
  }
}

/** An error from the body of an answer with an error status, whatever the body is. */
export function problemError(status: number, contentType: string, body: string): ClientError {
  if (contentType.startsWith('application/problem+json')) {
    try {
      const problem = JSON.parse(body) as Record<string, unknown>;
      const { code, detail, field, title } = problem;
      if (typeof code === 'string') {
        const known: Record<string, { readonly help: string } | undefined> = errorCatalogue;
        return new ClientError({
          kind: 'problem',
          code,
          status,
          message:
            typeof detail === 'string' && detail !== '' ? detail : typeof title === 'string' ? title : code,
          next: known[code]?.help ?? `The server answered ${status} ${code}; its /docs may say more.`,
          ...(typeof field === 'string' ? { field } : {}),
        });
      }
    } catch {
      // Not the JSON that its type promises: told below like every foreign answer.
    }
  }
  return new ClientError({
    kind: 'unexpected',
    status,
    message: `the server answered ${status} without problem details: ${excerpt(body)}`,
    next: 'Check that --server (or DRAY_SERVER) is the address of a Dray server, not of another service or a proxy.',
  });
}

/** An error where no answer came. `during` completes "the connection broke while …". */
export function transportError(base: URL, error: unknown, during: string): ClientError {
  const code = errorCode(error);
  const address = base.href.replace(/\/$/, '');
  if (code === 'ECONNREFUSED') {
    return new ClientError({
      kind: 'unreachable',
      message: `no dray server at ${address}`,
      next: 'Start one with `dray serve`, or give its address with --server or DRAY_SERVER.',
      cause: error,
    });
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new ClientError({
      kind: 'unreachable',
      message: `the host name ${base.hostname} is not known`,
      next: 'Check the address in --server or DRAY_SERVER.',
      cause: error,
    });
  }
  return new ClientError({
    kind: 'unreachable',
    message: `the connection to ${address} broke while ${during} (${code ?? (error instanceof Error ? error.message : String(error))})`,
    next: 'Check that the server is still running, then try again.',
    cause: error,
  });
}

function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code: unknown = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : undefined;
}

function excerpt(body: string): string {
  const line = body.replace(/\s+/g, ' ').trim();
  if (line === '') return '(empty body)';
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
