/** What became of a burst of jobs, by their records. */
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until as many jobs have ended as were accepted, and gives their records.
 * @throws Error where one did not complete, is missing, or there is one that nobody submitted
 */
export async function allEnded(dray, accepted) {
  let counts = await dray.jobs('matmul');
  while (counts.scheduled + counts.pending + counts['in-progress'] > 0) {
    await delay(250);
    counts = await dray.jobs('matmul');
  }
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
