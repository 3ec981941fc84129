/** What an S3 server's errors mean: which pass by themselves, and what each says to a user. */
import { DrayError } from '../../jobs/errors.js';

interface Answer {
  readonly name: string;
  /** Undefined where there was no answer. */
  readonly status: number | undefined;
}

function answerOf(error: unknown): Answer {
  if (!(error instanceof Error)) return { name: '', status: undefined };
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return { name: error.name, status: $metadata?.httpStatusCode };
}

export function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  const { status } = answerOf(error);
  return status !== undefined && statuses.includes(status);
}

/** The object is not there. A missing bucket is another matter, and answers with the same status. */
export function isNoObject(error: unknown): boolean {
  return isStatus(error, 404) && answerOf(error).name !== 'NoSuchBucket';
}

export function isNoUpload(error: unknown): boolean {
  return answerOf(error).name === 'NoSuchUpload';
}

/** The object is not as the request's condition says. */
export function isConditionFailed(error: unknown): boolean {
  return isStatus(error, 412);
}

const fullNames = /StorageFull|QuotaExceeded|InsufficientStorage/;
const passingNames = new Set([
  'ConditionalRequestConflict', // with another write under way
  'RequestTimeTooSkewed', // the library takes the server's time from it, and signs the next try with that
  'RequestTimeout',
  'SlowDown',
  'TimeoutError',
]);
const noCredentials = new Set(['CredentialsProviderError', 'TokenProviderError']);

/** True where the same request may succeed later: no answer, an overloaded or restarting server. */
export function isPassing(error: unknown): boolean {
  const { name, status } = answerOf(error);
  if (isFull(error) || noCredentials.has(name)) return false;
  if (passingNames.has(name)) return true;
  if (status === undefined || status < 400) return isOfNetwork(error);
  return (status >= 500 && status !== 501) || status === 408 || status === 429;
}

/** Errors of sockets and of names carry a code of the system, while those of Node, but for one, are mistakes. */
function isOfNetwork(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && /^(?:E(?!RR_)[A-Z_]+|ERR_STREAM_PREMATURE_CLOSE)$/.test(code);
}

function codeOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return error instanceof Error && typeof code === 'string' ? code : undefined;
}

/** MinIO hides it in the text of an internal error, unless it has noticed before. */
function isFull(error: unknown): boolean {
  if (isStatus(error, 507) || fullNames.test(answerOf(error).name)) return true;
  return error instanceof Error && isStatus(error, 500) && /no space left on device/.test(error.message);
}

/** Where the store is, for messages. */
export interface Place {
  readonly bucket: string;
  /** Without credentials. */
  readonly server: string;
}

/** The error to throw for one of the S3 library. Those of Dray, and what is none of S3's, stay as they are. */
export function storeError(error: unknown, { bucket, server }: Place): unknown {
  if (!(error instanceof Error) || error instanceof DrayError || error instanceof RangeError) return error;
  const { name, status } = answerOf(error);
  const as = (code: 'unavailable' | 'storage-full', message: string): DrayError =>
    new DrayError(code, message, { cause: error });
  if (isFull(error)) return as('storage-full', `There is no room in bucket "${bucket}" on ${server}.`);
  if (name === 'NoSuchBucket') {
    return as('unavailable', `There is no bucket "${bucket}" on ${server}: make it, or correct --blobs.`);
  }
  if (noCredentials.has(name)) {
    return as(
      'unavailable',
      `There are no credentials for ${server}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`,
    );
  }
  if (name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed' || status === 301) {
    return as(
      'unavailable',
      `Bucket "${bucket}" is in another region than --blobs says: add ?region=… (${name}).`,
    );
  }
  if (isStatus(error, 401, 403)) {
    return as(
      'unavailable',
      `${server} refuses the credentials, or what they may do with bucket "${bucket}" (${name}): check ` +
        'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights to read, write, list and delete.',
    );
  }
  if (isPassing(error)) {
    return as(
      'unavailable',
      `The S3 server ${server} does not answer as it should (${codeOf(error) ?? name}).`,
    );
  }
  if (status === undefined && codeOf(error) !== undefined) {
    return as('unavailable', `The S3 server ${server} cannot be talked to: ${error.message}.`); // such as TLS
  }
  return error;
}
