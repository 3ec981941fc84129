/** The one way in which a request, from whatever door, becomes a job that may be queued. */
import type { BlobStore } from '../blobs/blob-store.js';
import { storePayload } from '../blobs/payload.js';
import type { Clock } from '../clock.js';
import type { SubmitJob } from '../contract/job.js';
import type { NewJob } from '../engine/engine.js';
import { limits } from '../jobs/limits.js';
import { defaultRetry } from '../jobs/retry.js';
import type { TaskRegistry } from './registry.js';

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
  const input = task.admit
    ? await task.admit(given, { blobs: context.blobs, maxMatrixElements: limits.matrixElements })
    : given;
  return {
    id: context.clock.id(),
    type: request.type,
    input: await storePayload(context.blobs, input, 'input'),
    retry: { ...defaultRetry, ...request.retry },
    timeoutMs: request.timeoutMs ?? limits.timeout.default,
    work: task.work?.(input) ?? 1,
  };
}
