/** Jobs as doors look them up: each door shows those of its own type only. */
import type { Engine, Job } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * @param what the door's clients call a job, for the error.
 * @throws DrayError `job-not-found`, also for an id that is none and for a job of another type.
 */
export async function findJob(
  engine: Pick<Engine, 'get'>,
  { id, type }: { readonly id: string; readonly type: string },
  what: string,
): Promise<Job> {
  const job = uuid.test(id) ? await engine.get({ id: id.toLowerCase() }) : undefined;
  if (job?.type === type) return job;
  throw new DrayError(
    'job-not-found',
    `there is no ${what} ${id === '' ? 'without an id' : id.slice(0, 64)}`,
  );
}
