/** What became of a burst of jobs, by their records. */
import { setTimeout as delay } from 'node:timers/promises';

/** Far longer than any bench needs for its jobs: only what would never end gets there. */
const patienceSeconds = 600;

/**
 * Waits until no job is left that has not ended, and gives how many there are by status.
 * @param everyMs between two looks
 * @throws Error where some are left after ten minutes
 */
export async function drained(dray, everyMs, type = 'matmul') {
  const started = performance.now();
  for (;;) {
    const counts = await dray.jobs(type);
    if (!(counts.scheduled + counts.pending + counts['in-progress'] > 0)) return counts;
    if (performance.now() - started > patienceSeconds * 1000) {
      throw new Error(`jobs have not ended within ${patienceSeconds} s: ${JSON.stringify(counts)}`);
    }
    await delay(everyMs);
  }
}

/**
 * Waits until as many jobs have ended as were accepted, and gives their records.
 * @throws Error where one did not complete, is missing, or there is one that nobody submitted; or where they do
 * not end
 */
export async function allEnded(dray, accepted) {
  await drained(dray, 250);
  const jobs = await dray.records('matmul');
  const other = jobs.find(({ status }) => status !== 'completed');
  if (other) throw new Error(`job ${other.id} ${other.status}: ${JSON.stringify(other.error)}`);
  const known = new Set(jobs.map(({ id }) => id));
  const lost = accepted.filter((id) => !known.has(id));
  if (lost.length > 0) throw new Error(`${lost.length} accepted jobs are lost, such as ${lost[0]}`);
  if (jobs.length > accepted.length) throw new Error(`${jobs.length} jobs of ${accepted.length} submitted`);
  return jobs;
}

/** From the first submission until the last job had ended, in seconds; both by the wall clock of this machine. */
export function makespan(burst, jobs) {
  const last = jobs.reduce((latest, { finishedAt }) => Math.max(latest, Date.parse(finishedAt)), 0);
  return (last - burst.startedAt) / 1000;
}
