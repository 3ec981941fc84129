/**
 * Says why a job is where it is: what it waits for and when it may start, who runs it, or how it ended and what to
 * do. Pure: a snapshot in, sentences and figures out. What is not known is left out, never guessed.
 */
import { errorCatalogue } from './errors.js';
import type { Status } from './life-cycle.js';
import { limits } from './limits.js';

/** What the explanation needs of a job. Times in milliseconds since the epoch. */
export interface ExplainedJob {
  readonly id: string;
  readonly type: string;
  readonly status: Status;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly priority: string;
  readonly held: boolean;
  readonly key?: string;
  readonly createdAt: number;
  readonly runAt?: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly worker?: string;
  readonly progress?: { readonly fraction: number; readonly message?: string };
  readonly error?: { readonly code: string; readonly message: string; readonly permanent: boolean };
}

export interface ExplainSnapshot {
  readonly job: ExplainedJob;
  readonly paused: boolean;
  /** See Standing.ahead in src/engine/engine.ts. */
  readonly ahead: number;
  readonly key?: { readonly taken: number; readonly places: number };
  readonly workers: readonly {
    readonly id: string;
    readonly types: readonly string[];
    readonly slots: number;
    readonly busy: number;
    /** It takes no new jobs. */
    readonly stopping?: boolean | undefined;
  }[];
  /** Of each type: the jobs that a worker may take now. */
  readonly ready: ReadonlyMap<string, number>;
  /** How long completed attempts of the job's type ran on average, where some did. */
  readonly meanMs?: number;
  readonly now: number;
}

export interface Reason {
  readonly code:
    | 'delayed'
    | 'backing-off'
    | 'paused'
    | 'no-worker'
    | 'key-full'
    | 'jobs-ahead'
    | 'other-types'
    | 'slots-busy'
    | 'about-to-start'
    | 'running'
    | 'completed'
    | 'failed'
    | 'cancelled';
  readonly message: string;
}

export interface ExpectedStart {
  readonly at: number;
  /** `earliest`: things that cannot be foreseen may make it later. */
  readonly kind: 'estimate' | 'earliest';
  /** What it rests on. */
  readonly basis: string;
}

export interface Explanation {
  /** The first is the one that weighs most. */
  readonly reasons: readonly Reason[];
  readonly expectedStart?: ExpectedStart;
  /** What to do, where there is something. */
  readonly next?: string;
}

export function explain(snapshot: ExplainSnapshot): Explanation {
  const { status } = snapshot.job;
  if (status === 'scheduled') return explainScheduled(snapshot);
  if (status === 'pending') return explainPending(snapshot);
  if (status === 'in-progress') return explainRunning(snapshot);
  return explainFinal(snapshot);
}

function explainScheduled(snapshot: ExplainSnapshot): Explanation {
  const { job, now } = snapshot;
  const at = job.runAt ?? now;
  const due = at > now ? `until ${iso(at)}, for another ${span(at - now)}` : 'no longer: it is due now';
  const cause = job.error ? `: ${job.error.code}: ${job.error.message}` : '';
  const why: Reason =
    job.attempt === 0
      ? { code: 'delayed', message: `it was submitted to start later, and waits ${due}` }
      : {
          code: 'backing-off',
          message: `attempt ${job.attempt} of ${job.maxAttempts} failed${cause}; it waits ${due}`,
        };
  const blocks = blocksOf(snapshot);
  return {
    reasons: [why, ...blocks.map(({ reason }) => reason)],
    ...(blocks.length === 0 && {
      expectedStart: { at: Math.max(at, now), kind: 'earliest', basis: 'the moment when it is due' },
    }),
    ...nextOf(blocks),
  };
}

function explainPending(snapshot: ExplainSnapshot): Explanation {
  const { job, ahead, key } = snapshot;
  const blocks = blocksOf(snapshot);
  const reasons = blocks.map(({ reason }) => reason);
  const workers = servingOf(snapshot);
  const slots = sum(workers.map((worker) => worker.slots));
  const free = sum(workers.map((worker) => Math.max(0, worker.slots - worker.busy)));
  const others = [...snapshot.ready]
    .filter(([type]) => type !== job.type && workers.some(({ types }) => types.includes(type)))
    .reduce((jobs, [, ready]) => jobs + ready, 0);
  if (job.held) {
    const taken = key ? `${key.taken} of ${key.places} places` : 'the places';
    const before = ahead > 0 ? `; ${jobs(ahead)} of this key get one before it` : '';
    reasons.push({
      code: 'key-full',
      message: `its concurrency key "${job.key ?? ''}" has no place for it: ${taken} are taken${before}`,
    });
  } else if (ahead > 0) {
    reasons.push({
      code: 'jobs-ahead',
      message: `${jobs(ahead)} of its type and priority (${job.priority}) come before it`,
    });
  }
  if (!job.held && others > 0) {
    reasons.push({
      code: 'other-types',
      message: `${jobs(others)} of other types wait for the same workers`,
    });
  }
  if (slots > 0 && free === 0) reasons.push({ code: 'slots-busy', message: busy(slots) });
  if (reasons.length === 0)
    reasons.push({ code: 'about-to-start', message: 'nothing holds it back: it starts in a moment' });
  if (blocks.length > 0) return { reasons, ...nextOf(blocks) };

  const start = startOf(snapshot, { slots, free, others });
  return { reasons, ...(start && { expectedStart: start }) };
}

/** Undefined where it would rest on a run time that nobody has seen. */
function startOf(
  { job, ahead, key, ready, meanMs, now }: ExplainSnapshot,
  { slots, free, others }: { slots: number; free: number; others: number },
): ExpectedStart | undefined {
  // Of its own type there may be jobs of another priority, whose turns come between; or they are only behind it.
  const more = (ready.get(job.type) ?? 0) > ahead + 1;
  const kind = others > 0 || more || ahead >= limits.ahead || job.held ? 'earliest' : 'estimate';
  if (!job.held && ahead < free) return { at: now, kind, basis: 'there is a free slot for it' };
  if (meanMs === undefined) return undefined;
  const each = `the ${span(meanMs)} that a job of its type takes on average`;
  if (!job.held) {
    const at = now + ((ahead - free + 1) * meanMs) / slots;
    return { at, kind, basis: `${jobs(ahead)} before it, ${slotCount(slots)}, and ${each}` };
  }
  if (!key || key.places === 0) return undefined;
  const at = now + ((ahead + 1) * meanMs) / key.places;
  return { at, kind, basis: `${jobs(ahead)} of its key before it, ${key.places} at a time, and ${each}` };
}

function explainRunning({ job, workers, now }: ExplainSnapshot): Explanation {
  const by = job.worker === undefined ? '' : ` by ${job.worker}`;
  const known = job.worker === undefined || workers.some(({ id }) => id === job.worker);
  const gone = known ? '' : ', which is not there now: the lease runs out soon, and the job starts again';
  if (job.startedAt === undefined) {
    const at = job.worker === undefined ? '' : ` at ${job.worker}`;
    return { reasons: [{ code: 'about-to-start', message: `it waits for its turn${at}${gone}` }] };
  }
  const since = ` for ${span(now - job.startedAt)}`;
  const { progress } = job;
  const message = progress?.message === undefined ? '' : ` (${progress.message})`;
  const far = progress ? `; it is ${Math.floor(100 * progress.fraction)} % done${message}` : '';
  const attempt = `attempt ${job.attempt} of ${job.maxAttempts}`;
  return { reasons: [{ code: 'running', message: `${attempt} runs${since}${by}${gone}${far}` }] };
}

function explainFinal({ job }: ExplainSnapshot): Explanation {
  const at = job.finishedAt === undefined ? '' : ` at ${iso(job.finishedAt)}`;
  const took =
    job.startedAt === undefined || job.finishedAt === undefined
      ? ''
      : ` after running for ${span(job.finishedAt - job.startedAt)}`;
  if (job.status === 'completed') {
    const message = `attempt ${job.attempt} of ${job.maxAttempts} completed${at}${took}`;
    return {
      reasons: [{ code: 'completed', message }],
      next: `The result is at GET /v1/jobs/${job.id}/result.`,
    };
  }
  if (job.status === 'cancelled') {
    return {
      reasons: [{ code: 'cancelled', message: `it was cancelled${at}` }],
      next: 'Submit it again if it is still wanted.',
    };
  }
  const { error } = job;
  const said = error ? `: ${error.code}: ${error.message}` : '';
  const why = error?.permanent ? 'the error is one that a retry cannot help' : 'no attempt is left';
  const message = `attempt ${job.attempt} of ${job.maxAttempts} failed for good${at}${said}; ${why}`;
  const help = error && Object.hasOwn(errorCatalogue, error.code) ? `${helpOf(error.code)} ` : '';
  return {
    reasons: [{ code: 'failed', message }],
    next: `${help}When the cause is gone, a redrive gives it new attempts: POST /v1/jobs/${job.id}/redrive.`,
  };
}

interface Block {
  readonly reason: Reason;
  readonly next: string;
}

/** What keeps the type as a whole from starting, until somebody does something. */
function blocksOf(snapshot: ExplainSnapshot): readonly Block[] {
  const { type } = snapshot.job;
  const blocks: Block[] = [];
  if (snapshot.paused) {
    blocks.push({
      reason: { code: 'paused', message: `the type "${type}" is paused: nothing of it is handed out` },
      next: `Resume it: POST /v1/queues/${encodeURIComponent(type)}/resume.`,
    });
  }
  if (sum(servingOf(snapshot).map(({ slots }) => slots)) === 0) {
    blocks.push({
      reason: { code: 'no-worker', message: `no worker serves the type "${type}"` },
      next: 'Start a worker that has a task for it.',
    });
  }
  return blocks;
}

function nextOf(blocks: readonly Block[]): { next?: string } {
  return blocks.length === 0 ? {} : { next: blocks.map(({ next }) => next).join(' ') };
}

function servingOf({ job, workers }: ExplainSnapshot): ExplainSnapshot['workers'] {
  return workers.filter(({ types, stopping }) => types.includes(job.type) && stopping !== true);
}

function helpOf(code: string): string {
  return errorCatalogue[code as keyof typeof errorCatalogue].help;
}

function jobs(count: number): string {
  if (count >= limits.ahead) return `${limits.ahead} jobs or more`;
  return count === 1 ? '1 job' : `${count} jobs`;
}

function slotCount(count: number): string {
  return count === 1 ? '1 slot' : `${count} slots`;
}

function busy(slots: number): string {
  return slots === 1 ? 'the only slot for it is busy' : `all ${slots} slots for it are busy`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** "0.4 s", "12 s", "3 min", "5 h": how long, for a sentence. */
function span(ms: number): string {
  const seconds = Math.max(0, ms) / 1_000;
  if (seconds < 10) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
