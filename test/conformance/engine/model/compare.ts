/** Holds a store against the model: every job, every count, and what must be true of any store. */
import { expect } from 'vitest';
import type { Job, TypeCounts } from '../../../../src/engine/engine.js';
import { statuses } from '../../../../src/jobs/life-cycle.js';
import type { Bench } from '../setup.js';
import { isReleased, placeName, type Model, type ModelJob } from './jobs.js';

export interface Real {
  readonly bench: Bench;
  readonly types: readonly string[];
  /** Values of the label `run`, which no other run has. */
  readonly runs: readonly string[];
}

/** All jobs, after each command: so an effect on a bystander shows too. */
export async function compare(model: Model, { bench, types }: Real): Promise<void> {
  const [counts, ...lists] = await Promise.all([
    bench.engine.counts(),
    ...types.map((type) => bench.engine.list({ type, limit: 1_000 })),
  ]);
  for (const [index, type] of types.entries()) {
    const jobs = lists[index]!.jobs;
    expect(jobs.map(view)).toEqual(model.matching({ type }).map(view));
    compareCounts(
      model,
      type,
      counts.find((one) => one.type === type),
    );
    checkPlaces(model, jobs);
  }
}

function view(job: Job | ModelJob) {
  const { id, status, attempt, maxAttempts, version, held, priority, key } = job;
  return { id, status, attempt, maxAttempts, version, held, priority, key };
}

function compareCounts(model: Model, type: string, counts: TypeCounts | undefined): void {
  const jobs = model.matching({ type });
  const ready = jobs.filter(({ status, held }) => status === 'pending' && !held);
  const expected = {
    jobs: Object.fromEntries(
      statuses.map((status) => [status, jobs.filter((job) => job.status === status).length]),
    ),
    held: jobs.filter(({ held }) => held).length,
    paused: model.paused.has(type),
    pendingWork: ready.reduce((sum, { work }) => sum + work, 0),
  };
  if (!counts) {
    expect(jobs).toEqual([]);
    expect(expected.paused).toBe(false);
    return;
  }
  expect(counts).toMatchObject(expected);
  expect(counts.oldestPendingAt !== undefined).toBe(ready.length > 0);
}

/** Nobody waits while a place is free, and no place is given that is not there. Of the jobs as they are stored. */
function checkPlaces(model: Model, jobs: readonly Job[]): void {
  for (const key of new Set(jobs.flatMap((job) => job.key ?? []))) {
    const mine = jobs.filter((job) => job.key === key);
    const { type } = mine[0]!;
    const released = mine.filter(isReleased).length;
    const places = model.placesOf({ type, key });
    if (mine.some((job) => job.held)) expect(released).toBeGreaterThanOrEqual(places);
    // Places that a submit made fewer are not taken away from those that have them.
    expect(released).toBeLessThanOrEqual(Math.max(places, model.released.get(placeName(type, key)) ?? 0));
    model.released.set(placeName(type, key), released);
  }
}
