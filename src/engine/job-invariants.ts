/** What must hold of every stored job, whichever engine keeps it. */
import type { Violation } from '../jobs/invariants.js';
import { transitions, type Event, type Status } from '../jobs/life-cycle.js';
import { blobsOf, type Payload } from '../jobs/payload.js';
import type { EndedAttempt, Job } from './engine.js';

/** A job as it is stored. */
export interface StoredJob {
  readonly job: Job;
  /** Of its lease, where it has one. */
  readonly token: string | null;
  /** The blobs that the job is noted to use. */
  readonly uses: readonly string[];
}

/** So many violations are told; the rest are counted. */
const reported = 100;

export class Findings {
  readonly #violations: Violation[] = [];
  #more = 0;

  get any(): boolean {
    return this.#violations.length > 0;
  }

  add(violation: Violation): void {
    if (this.#violations.length < reported) this.#violations.push(violation);
    else this.#more += 1;
  }

  /** Looks at one job. @param hasBlob true where the blob is there as it was written. */
  async look(stored: StoredJob, hasBlob: (id: string) => Promise<boolean>): Promise<void> {
    for (const violation of checkJob(stored)) this.add(violation);
    const { job, uses } = stored;
    for (const blob of neededBlobs(job, uses)) {
      if (await hasBlob(blob)) continue;
      const whose = job.result ? 'of its result' : 'that it needs';
      this.add({ invariant: 'blobs', job: job.id, detail: `blob ${blob} ${whose} is missing or damaged` });
    }
  }

  report(): { violations: readonly Violation[]; more: number } {
    return { violations: this.#violations, more: this.#more };
  }
}

/** What the end of an attempt does to the job's state. */
const endings: Readonly<Record<EndedAttempt['outcome'], readonly Event[]>> = {
  completed: ['complete'],
  failed: ['retry', 'fail'],
  expired: ['expire', 'exhaust'],
  released: ['release'],
  cancelled: ['cancel'],
};

/** Where a job can be that no worker has claimed since it was in one of these states, by the life cycle's table. */
function reachableUnclaimed(from: readonly Status[]): Set<Status> {
  const states = new Set(from);
  for (const state of states) {
    for (const row of transitions) {
      if (row.event !== 'claim' && row.from.includes(state)) states.add(row.to);
    }
  }
  return states;
}

const atFirst = reachableUnclaimed(['scheduled', 'pending']);
const after = Object.fromEntries(
  Object.entries(endings).map(([outcome, events]) => {
    const ends = transitions.filter(({ event }) => events.includes(event)).map(({ to }) => to);
    return [outcome, reachableUnclaimed(ends)];
  }),
) as Record<EndedAttempt['outcome'], Set<Status>>;

function* checkJob({ job, token }: StoredJob): Generator<Violation> {
  const { id, status, attempts, attempt, maxAttempts } = job;
  const say = (invariant: string, detail: string): Violation => ({ invariant, job: id, detail });
  const running = status === 'in-progress';
  const final = status === 'completed' || status === 'failed' || status === 'cancelled';
  if (running !== (token !== null) || (running && job.worker === undefined))
    yield say('leases', `${status}, ${token === null ? 'without' : 'with'} a lease`);
  if ((status === 'scheduled') !== (job.runAt !== undefined))
    yield say('job-state', `${status}, due ${job.runAt ?? 'never'}`);
  if (final !== (job.finishedAt !== undefined))
    yield say('job-state', `${status}, ended ${job.finishedAt ?? 'never'}`);
  if ((status === 'completed') !== (job.result !== undefined))
    yield say('job-state', `${status} and result disagree`);
  if (status === 'failed' && job.error === undefined) yield say('job-state', 'failed without an error');
  if (job.held && (status !== 'pending' || job.key === undefined))
    yield say('keys', `${status} and held${job.key === undefined ? ' without a key' : ''}`);
  if (attempt > maxAttempts) yield say('job-state', `attempt ${attempt} of ${maxAttempts}`);

  for (const [index, one] of attempts.entries()) {
    const next = attempts[index + 1]?.attempt;
    if (next !== undefined && !after[one.outcome].has('pending'))
      yield say('history', `an attempt after one that was ${one.outcome}`);
    if (next !== undefined && next !== counted(one) + 1)
      yield say('history', `attempt ${next} after ${one.attempt}, which was ${one.outcome}`);
  }
  const last = attempts.at(-1);
  const reachable = last ? after[last.outcome] : atFirst;
  if (!reachable.has(running ? 'pending' : status))
    yield say('history', `${status} after ${last ? `an attempt that was ${last.outcome}` : 'no attempt'}`);
  const expected = (last ? counted(last) : 0) + (running ? 1 : 0);
  if (attempt !== expected) yield say('history', `attempt ${attempt}, but its history says ${expected}`);
}

/** The number of counted attempts after it. */
function counted({ attempt, outcome }: EndedAttempt): number {
  return outcome === 'released' ? attempt - 1 : attempt;
}

/** Those without which the job cannot run, or its result cannot be read. */
function neededBlobs(job: Job, uses: readonly string[]): Set<string> {
  const { status, input, result } = job;
  if (result) return new Set(blobsIn(result, 'result'));
  const waits = status === 'scheduled' || status === 'pending' || status === 'in-progress';
  return new Set(waits ? [...blobsIn(input, 'input'), ...uses] : []);
}

function blobsIn(payload: Payload, field: string): readonly string[] {
  return 'blob' in payload ? [payload.blob] : blobsOf(payload.inline, field);
}
