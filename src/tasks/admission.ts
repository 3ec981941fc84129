/** The one way in which a request, from whatever door, becomes a job that may be queued. */
import type { BlobStore } from '../blobs/blob-store.js';
import { storePayload } from '../blobs/payload.js';
import type { Clock } from '../clock.js';
import type { SubmitJob } from '../contract/job.js';
import type { NewJob } from '../engine/engine.js';
import { limits } from '../jobs/limits.js';
import { blobsOf } from '../jobs/payload.js';
import { DrayError } from '../jobs/errors.js';
import { defaultRetry } from '../jobs/retry.js';
import type { TaskRegistry } from './registry.js';
import { isPermanent, type Task } from './task.js';

/** Far longer than it takes from here to the store, also behind the other jobs of a batch. */
const keptMs = 5 * 60_000;

/**
 * Turns a request into a job that may be queued: its type is known, its input fits the schema and the task's
 * own rules, and what is large is stored as a blob.
 *
 * @throws DrayError with a 4xx code.
 */
export async function admit(
  request: SubmitJob,
  context: { tasks: TaskRegistry; blobs: BlobStore; clock: Clock },
): Promise<NewJob> {
  const task = context.tasks.get(request.type);
  const given = request.input === undefined ? {} : request.input;
  context.tasks.checkInput(request.type, given);
  const givenBlobs = blobsOf(given, 'input');
  if (givenBlobs.length > 0) await keepBlobs(context.blobs, givenBlobs);
  const input = task.admit ? await admitInput(task, given, context.blobs) : given;
  const runAt = dueTime(request, context.clock.now());
  const key = keyOf(request);
  const labels = request.labels ?? {};
  for (const [name, value] of Object.entries(labels)) checkText(value, `labels.${name}`);
  const named = input === given ? givenBlobs : blobsOf(input, 'input');
  const payload = await storePayload(context.blobs, input, 'input');
  return {
    id: context.clock.id(),
    type: request.type,
    input: payload,
    retry: { ...defaultRetry, ...request.retry },
    timeoutMs: request.timeoutMs ?? timeoutOf(task, input),
    work: task.work ? wholeWork(task.work(input)) : 1,
    priority: request.priority ?? 'normal',
    ...(runAt === undefined ? {} : { runAt }),
    ...(key === undefined ? {} : { key }),
    labels,
    blobs: 'blob' in payload ? [...named, payload.blob] : named,
  };
}

/** A task that users wrote refuses by what its `run` would throw. */
async function admitInput(task: Task, given: unknown, blobs: BlobStore): Promise<unknown> {
  try {
    return await task.admit!(given, { blobs, maxMatrixElements: limits.matrixElements });
  } catch (error) {
    if (!isPermanent(error)) throw error;
    throw new DrayError('invalid-request', `input: ${error.message}`, { field: 'input', cause: error });
  }
}

/** A task's own reckoning may give any number. */
function timeoutOf(task: Task, input: unknown): number {
  const ms = Math.round(task.timeoutMs?.(input) ?? limits.timeout.default);
  return Number.isNaN(ms) ? limits.timeout.default : Math.min(limits.timeout.max, Math.max(1, ms));
}

/** The store keeps whole numbers; a task's own reckoning may give any. */
function wholeWork(work: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(1, Math.round(work) || 1));
}

/**
 * Retention may have found that no job uses these, and be about to remove them. What is kept stays until the job is
 * stored and uses it; what is gone by now is found missing by whoever looks for it after this.
 */
async function keepBlobs(blobs: BlobStore, named: readonly string[]): Promise<void> {
  for (const id of named) await blobs.keep({ id, forMs: keptMs });
}

/** @returns undefined where the job may run at once. */
function dueTime({ delayMs, runAt }: SubmitJob, now: number): number | undefined {
  if (runAt === undefined) return delayMs === undefined || delayMs === 0 ? undefined : now + delayMs;
  const refuse = (reason: string): DrayError =>
    new DrayError('invalid-request', `runAt: ${reason}`, { field: 'runAt' });
  if (delayMs !== undefined) throw refuse('the job has a delayMs too; give one of them');
  const due = Date.parse(runAt);
  if (!Number.isFinite(due)) throw refuse('there is no such time; write it as 2030-01-31T12:00:00Z');
  if (due > now + limits.delay) throw refuse('is more than a year ahead; submit the job later');
  return due > now ? due : undefined;
}

function keyOf({ concurrencyKey, maxConcurrency }: SubmitJob): NewJob['key'] {
  if (concurrencyKey !== undefined) {
    checkText(concurrencyKey, 'concurrencyKey');
    return { name: concurrencyKey, places: maxConcurrency ?? 1 };
  }
  if (maxConcurrency === undefined) return undefined;
  throw new DrayError(
    'invalid-request',
    'maxConcurrency: holds for the jobs of one concurrencyKey, which is missing',
    { field: 'maxConcurrency' },
  );
}

/** Names are compared byte by byte in the store: what it cannot hold as it is would become another's name. */
function checkText(text: string, field: string): void {
  if (/^(?:(?![\p{Cc}\p{Cs}]).)*$/su.test(text)) return;
  throw new DrayError(
    'invalid-request',
    `${field}: control characters and unpaired surrogates are not taken`,
    {
      field,
    },
  );
}
