/**
 * A job submitted as JSON. The body is read as it arrives: members of the input that the task reads as
 * streams go straight into a blob, everything else is small.
 */
import type { BlobStore } from '../blobs/blob-store.js';
import type { SubmitJob } from '../contract/job.js';
import { DrayError } from '../jobs/errors.js';
import { KiB, limits } from '../jobs/limits.js';
import { ObjectSink } from '../json/object.js';
import { RawValueSink } from '../json/raw.js';
import { readJson, type Bytes } from '../json/read.js';
import type { ValueSink } from '../json/sink.js';
import type { TaskRegistry } from '../tasks/registry.js';
import { SpoolSink } from './spool.js';
import type { Uploads } from './uploads.js';

export interface SubmissionContext {
  readonly tasks: TaskRegistry;
  readonly blobs: BlobStore;
  readonly uploads: Uploads;
  readonly bodyLimit: number;
}

/** Members of the envelope besides the input are small: bytes that they may take, escapes and spaces included. */
const memberLimits = new Map(
  Object.entries({
    type: 4_096,
    retry: 4_096,
    timeoutMs: 4_096,
    priority: 4_096,
    delayMs: 4_096,
    runAt: 4_096,
    concurrencyKey: 4_096,
    maxConcurrency: 4_096,
    labels: 64 * KiB,
  } satisfies Record<Exclude<keyof SubmitJob, 'input'>, number>),
);

/**
 * @throws DrayError with a 4xx code that names the field, and in a matrix the row and column. The uploads
 * hold what was stored until then; discarding them is the caller's.
 */
export async function readJsonSubmission(body: Bytes, context: SubmissionContext): Promise<SubmitJob> {
  let type: ValueSink | undefined;
  let early: SpoolSink | undefined;
  const envelope = new ObjectSink((key) => {
    if (key === 'input') {
      if (type) return inputSink(typeOf(type.value()), context);
      return (early = new SpoolSink(context.blobs));
    }
    const limit = memberLimits.get(key);
    if (limit === undefined) {
      throw new DrayError('invalid-request', `body.${key.slice(0, 64)} is not known here`, { field: key });
    }
    const member = new RawValueSink({ field: key, limit });
    if (key === 'type') type = member;
    return member;
  });
  try {
    const request = (await readJson(body, envelope, { limit: context.bodyLimit })) as SubmitJob;
    if (early) {
      const sink = inputSink(typeOf(type?.value()), context);
      request.input = await readJson(early.bytes(), sink, { limit: context.bodyLimit });
    }
    await context.uploads.commitShared();
    return request;
  } finally {
    await early?.close();
  }
}

function inputSink(type: string, context: SubmissionContext): ValueSink {
  const { fields } = context.tasks.get(type);
  if (!fields) return new RawValueSink({ field: 'input', limit: limits.jsonPayload });
  const params = { writer: context.uploads.shared, maxElements: limits.matrixElements };
  return new ObjectSink((key) => {
    const field = `input.${key.slice(0, 64)}`;
    const read = Object.hasOwn(fields, key) ? fields[key] : undefined; // not what every object has
    return read?.({ ...params, field }) ?? new RawValueSink({ field, limit: limits.jsonPayload });
  }, 'input');
}

function typeOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new DrayError('invalid-request', 'type: the name of a job type is needed, such as "matmul"', {
    field: 'type',
  });
}
