/** Many jobs in one JSON body, which is held as a whole: large matrices are uploaded first and named as blobs. */
import { DrayError } from '../jobs/errors.js';
import { KiB, limits } from '../jobs/limits.js';
import { ObjectSink } from '../json/object.js';
import { RawValueSink } from '../json/raw.js';
import { readJson, type Bytes } from '../json/read.js';

/** Bytes of the body: those of its jobs, and what stands around them. */
export const batchLimit = limits.jsonPayload + 64 * KiB;

/**
 * @returns the jobs as they came: what each holds is not checked.
 * @throws DrayError with a 4xx code that names the field.
 */
export async function readBatch(body: Bytes, bodyLimit: number): Promise<readonly unknown[]> {
  const envelope = new ObjectSink((key) => {
    // An input may nest as deep as in a submission of its own: `jobs` and the job are two levels above it.
    if (key === 'jobs') return new RawValueSink({ field: 'jobs', depth: limits.jsonDepth + 2 });
    throw new DrayError('invalid-request', `body.${key.slice(0, 64)} is not known here`, { field: key });
  });
  const { jobs } = (await readJson(body, envelope, { limit: bodyLimit })) as { jobs?: unknown };
  if (!Array.isArray(jobs) || jobs.length === 0) {
    throw new DrayError('invalid-request', `jobs: must be an array of 1 to ${limits.batch} jobs`, {
      field: 'jobs',
    });
  }
  if (jobs.length > limits.batch) {
    throw new DrayError(
      'limit-exceeded',
      `jobs: ${jobs.length} jobs in one request; at most ${limits.batch} are taken, so send several requests`,
      { field: 'jobs' },
    );
  }
  return jobs as readonly unknown[];
}

/** Runs what is about one job of a batch; an error of it names the job. */
export async function ofBatch<T>(index: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof DrayError) || error.status >= 500) throw error;
    const { code, field, message } = error;
    const job = `jobs[${index}]`;
    const path = field === undefined || field === 'body' ? job : `${job}.${field}`;
    const detail =
      field !== undefined && message.startsWith(field) ? `${job}.${message}` : `${job}: ${message}`;
    throw new DrayError(code, detail.replace(`${job}.body: `, `${job}: `), { field: path, cause: error });
  }
}
