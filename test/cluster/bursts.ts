/** Bursts of jobs, and what becomes of them. */
import { expect } from 'vitest';
import type { AnyTasks, JobOf } from '../../src/client/index.js';
import { DrayClient } from '../../src/client/index.js';
import { systemClock } from '../../src/clock.js';
import { isFinal } from '../../src/jobs/life-cycle.js';
import { eventually } from '../support/eventually.js';
import type { Release } from './release.js';

type Job = JobOf<AnyTasks>;

export interface Burst {
  readonly label: string;
  /** When the first of them was submitted, in ms since the epoch. */
  readonly startedAt: number;
  readonly ids: readonly string[];
}

/**
 * Submits jobs evenly over a time, a batch a second. Each is tried once only: any attempt that counts, beside the one
 * that ends well, makes it fail.
 */
export async function submitBurst(
  release: Release,
  params: { label: string; count: number; seconds: number; type: string; input: (index: number) => unknown },
): Promise<Burst> {
  const { label, count, seconds, type, input } = params;
  const client = clientOf(release);
  const startedAt = systemClock.now();
  const start = systemClock.monotonic();
  const ids: string[] = [];
  for (let second = 0; ids.length < count; second++) {
    await systemClock.sleep(Math.max(0, start + 1_000 * second - systemClock.monotonic()));
    const upTo = Math.min(count, Math.ceil((count * (second + 1)) / Math.max(1, seconds)));
    const jobs = Array.from({ length: upTo - ids.length }, (_, index) => ({
      type,
      input: input(ids.length + index),
      retry: { attempts: 1 },
      labels: { burst: label },
    }));
    ids.push(...(await client.submitBatch(jobs)).map(({ id }) => id));
  }
  return { label, startedAt, ids };
}

/** The jobs of the burst, once all of them have ended. */
export async function ended(release: Release, { label, ids }: Burst): Promise<readonly Job[]> {
  const client = clientOf(release);
  for (const id of ids.slice(-8)) await client.wait(id); // the last ones, so that the list is read seldom
  return eventually(
    async () => {
      const jobs: Job[] = [];
      for await (const job of client.list({ label: `burst=${label}` })) jobs.push(job);
      if (!jobs.every(({ status }) => isFinal(status))) await systemClock.sleep(1_000);
      return jobs;
    },
    (jobs) => jobs.every(({ status }) => isFinal(status)),
  );
}

/** Nothing was lost, nothing was done twice, nothing was counted but the attempt that ended well. */
export async function expectOnceEach(release: Release, burst: Burst, jobs: readonly Job[]): Promise<void> {
  expect(jobs.map(({ id }) => id).sort()).toEqual([...burst.ids].sort());
  const odd = jobs.filter(
    ({ status, attempt, attempts }) =>
      !(
        status === 'completed' &&
        attempt === 1 &&
        attempts.filter(({ outcome }) => outcome !== 'released').length === 1 &&
        attempts.at(-1)!.outcome === 'completed'
      ),
  );
  expect(odd).toEqual([]);
  expect(await release.invariants()).toMatchObject({ violations: [], more: 0 });
}

/** From the first submit until a worker computed that was not there before, in s; undefined where none did. */
export function firstNewWorker(
  burst: Burst,
  jobs: readonly Job[],
  before: readonly string[],
): number | undefined {
  const starts = jobs
    .flatMap(({ attempts }) => attempts)
    .filter(({ worker }) => !before.includes(worker))
    .map(({ startedAt }) => Date.parse(startedAt));
  return starts.length === 0 ? undefined : (Math.min(...starts) - burst.startedAt) / 1_000;
}

const clientOf = ({ url, key }: Release): DrayClient<AnyTasks> =>
  new DrayClient<AnyTasks>({ baseUrl: url, apiKey: key });
