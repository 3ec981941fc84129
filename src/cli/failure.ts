/** Exit codes, and how an error is told: one line what, one line what to do. */
import { ClientError, type ClientErrorKind } from '../client/index.js';
import { AddressError } from '../config/client.js';
import { DrayError, errorCatalogue } from '../jobs/errors.js';
import { print, printJson, type Terminal } from './terminal.js';

export const exitCodes = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeHelp = `
Exit codes: 0 done; 1 the job failed or was cancelled, or the server refused;
            2 wrong usage; 3 the server cannot be reached; 130 stopped by Ctrl-C.`;

/** The command was called in a way that cannot work. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly next: string;

  constructor(message: string, next = 'See `dray --help`.') {
    super(message);
    this.next = next;
  }
}

/** Errors of these kinds come from the server itself. */
const reached: ReadonlySet<ClientErrorKind> = new Set(['problem', 'job']);

interface Told {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly next: string;
  readonly status?: number;
  readonly field?: string;
}

/** Writes the error to stderr, as a JSON document where `json` is wanted, and says how to exit. */
export function tell(terminal: Terminal, error: unknown, json: boolean): ExitCode {
  const { exitCode, ...told } = explain(error);
  if (json) printJson(terminal.err, { error: told });
  else {
    const field = told.field !== undefined && !told.message.includes(told.field) ? ` (${told.field})` : '';
    print(terminal.err, `dray: ${told.message}${field}`);
    print(terminal.err, `  → ${told.next}`);
  }
  return exitCode;
}

function explain(error: unknown): Told {
  if (error instanceof UsageError) return { ...plain(error, 'usage', error.next), exitCode: exitCodes.usage };
  if (error instanceof AddressError) {
    return {
      ...plain(error, 'usage', 'An address looks like http://127.0.0.1:8080.'),
      exitCode: exitCodes.usage,
    };
  }
  if (error instanceof ClientError) {
    return {
      ...plain(error, error.code, error.next),
      ...(error.status === undefined ? {} : { status: error.status }),
      ...(error.field === undefined ? {} : { field: error.field }),
      exitCode: reached.has(error.kind) ? exitCodes.failed : exitCodes.unreachable,
    };
  }
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ERR_INVALID_CHAR') {
    const next =
      'Look at DRAY_API_KEY, --api-key and --idempotency-key, such as for the end of a line in one.';
    const message = 'a key holds characters that a header of HTTP cannot carry';
    return { exitCode: exitCodes.usage, code: 'usage', message, next };
  }
  if (error instanceof DrayError) return plain(error, error.code, errorCatalogue[error.code].help);
  if (!(error instanceof Error)) return plain(new Error(String(error)), 'internal', bug);
  const code: unknown = (error as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') {
    return plain(
      error,
      'address-in-use',
      'Another program listens there: give another --port, or 0 for a free one.',
    );
  }
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) {
    return plain(error, code, 'The operating system said no: check the path, its rights and the free space.');
  }
  return { ...plain(error, 'internal', bug), message: error.stack ?? error.message };
}

const bug = 'This looks like a bug in dray; please report it.';

function plain(error: Error, code: string, next: string): Told {
  return { exitCode: exitCodes.failed, code, message: error.message, next };
}
