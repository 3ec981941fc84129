/** What the seam promises, played on jobs in memory: the transition table, the places of keys, paused types. */
import type { JobFilter, NewJob, Outcome } from '../../../../src/engine/engine.js';
import { isFinal, transition, type Event, type Status } from '../../../../src/jobs/life-cycle.js';
import { priorities } from '../../../../src/jobs/priority.js';

export interface ModelJob extends Pick<NewJob, 'id' | 'type' | 'priority' | 'labels' | 'work'> {
  readonly key: string | undefined;
  status: Status;
  held: boolean;
  attempt: number;
  maxAttempts: number;
  version: number;
  /** Of the current attempt, or the latest. */
  token: string;
  earlierToken: string;
  /** When the lease runs out or the delay ends. */
  until: number;
  /** Since when it has waited, and when its attempt began: the time of an attempt is no wait. */
  readyAt: number;
  startedAt: number;
  finishedAt: number;
}

export class Model {
  /** In the order of submission. */
  jobs: ModelJob[] = [];
  readonly paused = new Set<string>();
  /** By type and key, as the latest submit said. */
  readonly places = new Map<string, number>();
  /** How many jobs of each key had a place when the store was last looked at. */
  readonly released = new Map<string, number>();

  submit(jobs: readonly NewJob[], now: number): void {
    for (const job of jobs) {
      const { id, type, priority, labels, work, key, retry } = job;
      if (key) this.places.set(placeName(type, key.name), key.places);
      const delayed = job.runAt !== undefined && job.runAt > now;
      this.jobs.push({
        ...{ id, type, priority, labels, work, key: key?.name },
        status: delayed ? 'scheduled' : 'pending',
        held: !delayed && key !== undefined,
        attempt: 0,
        maxAttempts: retry.attempts,
        version: 1,
        token: 'none',
        earlierToken: 'none',
        until: delayed ? job.runAt : 0,
        readyAt: now,
        startedAt: 0,
        finishedAt: 0,
      });
    }
    this.fill(now);
  }

  /** Changes a job as the table says. Places are given on by `fill`, after all changes of an operation. */
  play(job: ModelJob, event: Event, now: number): Outcome {
    const row = transition(job.status, event);
    if (!row) return 'stale';
    job.status = row.to;
    job.attempt += row.attempts;
    job.version += 1;
    if (event === 'due' || event === 'redrive') job.held = job.key !== undefined;
    else if (row.to !== 'pending') job.held = false;
    if (event === 'redrive') job.maxAttempts = job.attempt + attempts;
    if (isFinal(row.to)) job.finishedAt = now;
    if (event === 'claim') job.startedAt = now;
    else if (event === 'due') job.readyAt = job.until;
    else if (event === 'redrive') job.readyAt = now;
    else if (event === 'release' || event === 'expire') job.readyAt += now - job.startedAt;
    return 'applied';
  }

  /** What falls due or runs out at a moment. */
  pass(now: number): void {
    for (const job of this.jobs) {
      if (job.until > now) continue;
      if (job.status === 'scheduled') this.play(job, 'due', now);
      else if (job.status === 'in-progress') {
        this.play(job, job.attempt < job.maxAttempts ? 'expire' : 'exhaust', now);
      }
    }
    this.fill(now);
  }

  fill(now: number): void {
    for (const job of this.jobs.filter(({ held }) => held).sort(byPriority)) {
      if (this.taken(job) >= this.placesOf(job)) continue;
      job.held = false;
      job.readyAt = now;
    }
  }

  /** How many jobs of the job's key have a place. */
  taken({ type, key }: Pick<ModelJob, 'type' | 'key'>): number {
    return this.jobs.filter((job) => job.type === type && job.key === key && isReleased(job)).length;
  }

  placesOf({ type, key }: Pick<ModelJob, 'type' | 'key'>): number {
    return key === undefined ? Infinity : this.places.get(placeName(type, key))!;
  }

  /** What claims of the types may be given; first what has waited longest. */
  claimable(types: readonly string[]): ModelJob[] {
    return this.jobs
      .filter(
        (job) =>
          types.includes(job.type) && !this.paused.has(job.type) && job.status === 'pending' && !job.held,
      )
      .sort(byWait);
  }

  /** Jobs of the same type and priority that are handed out before, or that get a place before. */
  ahead(job: ModelJob): number {
    if (job.status !== 'pending') return 0;
    const before = job.held
      ? this.jobs
          .filter(({ type, key, held }) => held && type === job.type && key === job.key)
          .sort(byPriority)
      : this.jobs
          .filter(
            ({ type, priority, status, held }) =>
              type === job.type && priority === job.priority && status === 'pending' && !held,
          )
          .sort(byWait);
    return before.indexOf(job);
  }

  /** Newest first. */
  matching({ status, type, label }: JobFilter): ModelJob[] {
    return this.jobs
      .filter(
        (job) =>
          (status === undefined || job.status === status) &&
          (type === undefined || job.type === type) &&
          (!label || job.labels[label.name] === label.value),
      )
      .reverse();
  }

  prune(before: number): void {
    this.jobs = this.jobs.filter((job) => !isFinal(job.status) || job.finishedAt >= before);
  }
}

/** How many attempts each job gets. */
export const attempts = 2;

/** True for a job that has a place, if it has a key. */
export function isReleased({ status, held }: Pick<ModelJob, 'status' | 'held'>): boolean {
  return status === 'in-progress' || (status === 'pending' && !held);
}

/** A stable sort by it keeps the older first within a priority. */
function byPriority(a: ModelJob, b: ModelJob): number {
  return priorities.indexOf(a.priority) - priorities.indexOf(b.priority);
}

/** A stable sort by it keeps the older first of those that have waited equally long. */
function byWait(a: ModelJob, b: ModelJob): number {
  return a.readyAt - b.readyAt;
}

export function placeName(type: string, key: string): string {
  return `${type} ${key}`;
}
