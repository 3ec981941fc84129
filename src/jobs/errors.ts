/**
 * The error catalogue: every error that Dray says to a client or writes into a job, once. `docs/errors.md` is
 * generated from it (`npm run docs`).
 *
 * `status` is the HTTP status where the error answers a request. `permanent` says whether a job that failed
 * with it is never retried.
 */
interface CatalogueEntry {
  readonly status: number;
  readonly permanent: boolean;
  readonly title: string;
  /** What causes it and what to do. */
  readonly help: string;
}

function catalogue<K extends string>(entries: Record<K, CatalogueEntry>): Record<K, CatalogueEntry> {
  return entries;
}

export const errorCatalogue = catalogue({
  'invalid-json': {
    status: 400,
    permanent: true,
    title: 'The body is not valid JSON',
    help: 'The detail names the byte, and in a matrix the row and column, where reading stopped. NaN and Infinity are not JSON: send such matrices as .npy.',
  },
  'invalid-request': {
    status: 400,
    permanent: true,
    title: 'The request does not fit its schema',
    help: 'The detail names the field. Unknown fields are refused, so that a typing error is not silently ignored.',
  },
  'unknown-type': {
    status: 400,
    permanent: true,
    title: 'No task runs this job type',
    help: 'The detail lists the types that this server knows.',
  },
  'invalid-matrix': {
    status: 400,
    permanent: true,
    title: 'A matrix cannot be used',
    help: 'Rows must have equal lengths, at least one row and one column, and finite numbers within double range. The detail names the matrix, row and column.',
  },
  'invalid-npy': {
    status: 400,
    permanent: true,
    title: 'The .npy data cannot be used',
    help: 'Two-dimensional float64, float32 or integer arrays in little-endian byte order are taken, in C or Fortran order, and the length must fit the header. Convert others with numpy first.',
  },
  'shape-mismatch': {
    status: 400,
    permanent: true,
    title: 'The shapes of the matrices do not fit',
    help: 'a must have as many columns as b has rows.',
  },
  'limit-exceeded': {
    status: 400,
    permanent: true,
    title: 'The request asks for more than the limits allow',
    help: 'The detail names the limit. Nothing was allocated.',
  },
  'unsupported-source': {
    status: 400,
    permanent: true,
    title: 'This kind of input is not available here',
    help: 'Inputs by url, such as s3://bucket/key.npy, are read by a deployment whose blobs are on S3, from the buckets that --allow-buckets names. Elsewhere upload the data as a blob.',
  },
  'unreadable-url': {
    status: 400,
    permanent: true,
    title: 'What the url names cannot be read',
    help: 'The detail says why: there is no such object, the server has no right to read it, or it is not any more what it was when the job was submitted.',
  },
  'image-not-allowed': {
    status: 400,
    permanent: true,
    title: 'The image may not run here',
    help: '--container-images names those that may; by default none. The detail has the image by its whole name, as it is compared.',
  },
  'bucket-not-allowed': {
    status: 400,
    permanent: true,
    title: 'Containers may not be given this bucket',
    help: '--bucket-hosts names the servers whose buckets they may; by default none. Names that lead to link-local or metadata addresses are refused whatever it says.',
  },
  'variable-not-allowed': {
    status: 400,
    permanent: true,
    title: 'Containers may not be given this variable',
    help: '--container-env names those that clients may set; by default none, as some of them, such as LD_PRELOAD and NODE_OPTIONS, make an image run what the client says.',
  },
  'no-links': {
    status: 400,
    permanent: true,
    title: 'The store of this server has no links',
    help: 'Its blobs are files: send them to POST /v1/blobs and read them from GET /v1/blobs/{id}. Links need blobs on S3 (--blobs s3://…).',
  },
  'upload-incomplete': {
    status: 400,
    permanent: true,
    title: 'The body ended before it was complete',
    help: 'The connection closed or the body was shorter than announced, or a link was committed to which the announced bytes have not been sent. Nothing was kept; send it again.',
  },
  'body-too-large': {
    status: 413,
    permanent: true,
    title: 'The body is larger than the limit',
    help: 'Raise --body-limit, or send large data as .npy, which is smaller than JSON.',
  },
  'unsupported-media-type': {
    status: 415,
    permanent: true,
    title: 'The content type is not supported here',
    help: 'Jobs are sent as application/json or multipart/form-data, blobs as application/octet-stream or application/x-npy.',
  },
  'not-acceptable': {
    status: 406,
    permanent: true,
    title: 'The result cannot be given in the form asked for',
    help: 'The detail lists the forms that this result has. A product that overflowed holds infinities, which JSON cannot carry: ask for application/x-npy.',
  },
  unauthenticated: {
    status: 401,
    permanent: true,
    title: 'The request has no API key that is good here',
    help: 'Send a key as Authorization: Bearer <key>, or to the command line and the clients as DRAY_API_KEY. `dray keys create` makes one, on the machine of the server.',
  },
  forbidden: {
    status: 403,
    permanent: true,
    title: 'The API key does not allow this',
    help: 'The detail names the scope that is needed: read, submit or admin. Take another key, or create one with `dray keys create --scope`.',
  },
  'slow-client': {
    status: 408,
    permanent: true,
    title: 'The request did not arrive in time',
    help: 'A head has 10 s (--header-timeout); a body must arrive at 1 KiB/s on average (--body-timeout). Nothing was kept; send it again, in one go.',
  },
  'headers-too-large': {
    status: 431,
    permanent: true,
    title: 'The head of the request is too large',
    help: 'Its address and headers may have 16 KiB together.',
  },
  'job-not-found': {
    status: 404,
    permanent: true,
    title: 'There is no such job',
    help: 'It never existed here, or its retention time has passed.',
  },
  'blob-not-found': {
    status: 404,
    permanent: true,
    title: 'There is no such blob',
    help: 'It was never uploaded here, or it has been removed. Upload it again.',
  },
  'model-not-found': {
    status: 404,
    permanent: true,
    title: 'There is no such model, or no such version of it',
    help: 'GET /v1/models/{model} says which versions there are, and why one cannot be used. --models is the folder that they are in.',
  },
  'route-not-found': {
    status: 404,
    permanent: true,
    title: 'There is nothing at this address',
    help: 'The interactive list of addresses is at /docs.',
  },
  'pool-not-found': {
    status: 404,
    permanent: true,
    title: 'There is no such pool of workers',
    help: 'The detail names the pools that there are; --pools of the controller sets them. Without ?pool= it is the default one.',
  },
  'wrong-state': {
    status: 409,
    permanent: true,
    title: "The job's state does not allow this",
    help: 'The detail names the state. Only failed jobs can be re-driven, only unfinished ones cancelled.',
  },
  'idempotency-conflict': {
    status: 409,
    permanent: true,
    title: 'The Idempotency-Key belongs to another request',
    help: 'A request with the same key and another address, content type or body was accepted before. Take a new key for a new request; repeat a request with the very same bytes, in multipart/form-data with the same boundary.',
  },
  'result-not-ready': {
    status: 409,
    permanent: true,
    title: 'The job has no result',
    help: 'It is still running, was cancelled or has failed; its status says which. Wait with GET /v1/jobs/{id}?wait=30s.',
  },
  stranger: {
    status: 421,
    permanent: true,
    title: 'The request comes from a web page of elsewhere',
    help: 'Without API keys Dray serves this machine only, by a loopback name in Host and, from a web page, in Origin. With keys, a web page may call only the server that it came from; a proxy must pass Host on.',
  },
  'range-not-satisfiable': {
    status: 416,
    permanent: true,
    title: 'The range lies outside of the data',
    help: 'The Content-Range header gives the size.',
  },
  'queue-full': {
    status: 429,
    permanent: false,
    title: 'Too many jobs wait',
    help: 'Try again after Retry-After. More executors drain the queue faster; --max-waiting is how long it may be.',
  },
  'storage-full': {
    status: 507,
    permanent: false,
    title: 'The disk is full',
    help: 'Free space in the data folder; --min-free is how much must be left for new jobs and uploads. Accepted jobs are safe, and go on when there is room.',
  },
  'data-damaged': {
    status: 503,
    permanent: false,
    title: 'The database is damaged',
    help: 'Copy the data folder before anything else, and check the disk. Then put back a backup of jobs.sqlite, or save what can be read: sqlite3 jobs.sqlite .recover | sqlite3 saved.sqlite, and saved.sqlite in its place. Without its jobs, go on with another --data.',
  },
  unavailable: {
    status: 503,
    permanent: false,
    title: 'The server cannot serve this now',
    help: 'The message says why. A server that is starting, stopping or waits for its store can be asked again after Retry-After.',
  },
  'scale-unknown': {
    status: 503,
    permanent: false,
    title: 'How many workers there should be is not known now',
    help: 'The server has just started or its store does not answer. Leave the number of workers as it is, and ask again.',
  },
  internal: {
    status: 500,
    permanent: false,
    title: 'Something went wrong in Dray',
    help: 'The log has the details under the request id. Please report it.',
  },
  'task-failed': {
    status: 500,
    permanent: false,
    title: 'The task threw an error',
    help: 'The message is the task’s own. It is retried unless the task threw a permanent error.',
  },
  'task-refused': {
    status: 500,
    permanent: true,
    title: 'The task refused its input for good',
    help: 'The message is the task’s own. Correct the input and submit a new job.',
  },
  'invalid-output': {
    status: 500,
    permanent: true,
    title: 'The output of the task does not fit its schema',
    help: 'The message names the path. Correct the task.',
  },
  'invalid-task': {
    status: 500,
    permanent: true,
    title: 'A module of tasks cannot be used',
    help: 'The message names the file of --tasks and what is wrong in it. A package that is not found, be it dray itself, must be installed where the module lies. A module is a file .mjs, or .js where package.json says "type": "module".',
  },
  'executor-crashed': {
    status: 500,
    permanent: false,
    title: 'The process that ran the job died',
    help: 'The message names the exit code or signal. SIGKILL from outside is usually the kernel’s out-of-memory killer.',
  },
  'out-of-memory': {
    status: 500,
    permanent: true,
    title: 'The job needed more memory than an executor may use',
    help: 'Raise --executor-memory, or make the job smaller.',
  },
  timeout: {
    status: 500,
    permanent: false,
    title: 'The attempt took longer than its timeout',
    help: 'Submit with a larger timeoutMs.',
  },
  'lease-expired': {
    status: 500,
    permanent: false,
    title: 'The worker that ran the job went away',
    help: 'It stopped renewing its lease: it died, was paused or was cut off. The attempt counts.',
  },
  'container-failed': {
    status: 500,
    permanent: true,
    title: 'The container ended with an exit code other than 0',
    help: 'The details have the exit code and the blob of its log, which says more.',
  },
  'container-out-of-memory': {
    status: 500,
    permanent: true,
    title: 'The container took more memory than it may',
    help: 'Submit with a larger memory, up to --container-max-memory.',
  },
  'container-deadline': {
    status: 500,
    permanent: true,
    title: 'The container took longer than its timeout',
    help: 'Submit with a larger timeoutSeconds. What it had printed until then is its log.',
  },
  'container-image': {
    status: 500,
    permanent: true,
    title: 'The container could not be started from its image',
    help: 'The message is that of what runs containers: there is no such image, it may not be pulled, or its command cannot be run.',
  },
  'wrong-product': {
    status: 500,
    permanent: false,
    title: 'The product did not pass its check',
    help: 'The Freivalds residual was above its bound: a hardware or library fault. The attempt’s result was thrown away.',
  },
});

export type ErrorCode = keyof typeof errorCatalogue;

/** An error of the catalogue, thrown anywhere; HTTP and the worker translate it at one place each. */
export class DrayError extends Error {
  readonly code: ErrorCode;
  /** The field of the request that is to blame, as a path such as `input.a`. */
  readonly field: string | undefined;

  constructor(code: ErrorCode, detail: string, options?: { field?: string; cause?: unknown }) {
    super(detail, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DrayError';
    this.code = code;
    this.field = options?.field;
  }

  get permanent(): boolean {
    return errorCatalogue[this.code].permanent;
  }

  get status(): number {
    return errorCatalogue[this.code].status;
  }
}

/** Codes of errors by which the operating system or SQLite says that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as NodeJS.ErrnoException).code;
  return (
    code === 'ENOSPC' ||
    code === 'EDQUOT' ||
    code === 'SQLITE_FULL' ||
    /database or disk is full/.test(error.message)
  );
}

/** True where the same may succeed later, as it never was tried. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof DrayError && error.code === 'unavailable';
}
