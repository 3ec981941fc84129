/** Between what Redis keeps of a job and the engine's types. */
import { limits } from '../../jobs/limits.js';
import type { Status } from '../../jobs/life-cycle.js';
import type { Payload } from '../../jobs/payload.js';
import type { EndedAttempt, Failure, Job, Lease, NewJob, Progress } from '../engine.js';
import type { ReadyMessage } from './message.js';

/** The part of a job that never changes: stored as JSON in its record, and sent with every message. */
export type StaticPart = Omit<NewJob, 'runAt'>;

/** JSON has no word for undefined. */
function stored(payload: Payload): Payload {
  return 'blob' in payload ? payload : { inline: payload.inline ?? null };
}

export function staticJson(job: NewJob): string {
  const { id, type, input, retry, timeoutMs, work, priority, key, labels, blobs } = job;
  const part: StaticPart = {
    ...{ id, type, input: stored(input), retry, timeoutMs, work, priority, labels, blobs },
    ...(key && { key }),
    ...(job.projection !== undefined && { projection: job.projection }),
  };
  return JSON.stringify(part);
}

/** What submit.lua and revive.lua take of a job. */
export function storedJob(job: NewJob, json: string): object {
  const { id, type, priority, work, key, labels, blobs, input } = job;
  return {
    id,
    type,
    priority,
    work: String(work),
    key: key?.name,
    places: key?.places,
    runAt: job.runAt,
    labels: Object.entries(labels),
    // The blob that holds the input is used by the job whether its caller named it or not.
    blobs: 'blob' in input ? [...new Set([...blobs, input.blob])] : blobs,
    attempts: job.retry.attempts,
    projection: job.projection,
    static: json,
  };
}

/** The JSON of a payload or the blob that holds it, as complete.lua takes them. */
export function storedPayload(payload: Payload): { result?: string; blob?: string } {
  if ('blob' in payload) return { blob: payload.blob };
  const json = JSON.stringify(payload.inline) as string | undefined;
  return { result: json ?? 'null' };
}

/** The fields of a record in the order of shared.lua's `recordNames`; '' where there is none. */
export type RecordFields = readonly string[];
type S = string;
/** static to worker, then token, progress, result, blob, error, history, peak and seq. */
type RecordTuple = readonly [S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S];

/** @returns the job, its place in the order of submission, and the token of its lease. */
export function readRecord(fields: RecordFields): { job: Job; seq: number; token: string | null } {
  const [json, status, version, attempt, max, held, created, run, started, finished, worker, ...rest] =
    fields as RecordTuple;
  const [token, progress, result, blob, error, history, peak, seq] = rest;
  const part = JSON.parse(json) as StaticPart;
  const job = jobOf(part, {
    status: status as Status,
    version: Number(version),
    attempt: Number(attempt),
    maxAttempts: Number(max),
    held: held === '1',
    createdAt: Number(created),
    attempts: history === '' ? [] : (JSON.parse(history) as EndedAttempt[]),
  });
  if (run !== '') job.runAt = Number(run);
  if (started !== '') job.startedAt = Number(started);
  if (finished !== '') job.finishedAt = Number(finished);
  if (worker !== '') job.worker = worker;
  if (progress !== '') job.progress = JSON.parse(progress) as Progress;
  if (result !== '') job.result = { inline: JSON.parse(result) as unknown };
  else if (blob !== '') job.result = { blob };
  if (error !== '') job.error = JSON.parse(error) as Failure;
  if (job.status === 'completed') {
    const ended: EndedAttempt = {
      attempt: job.attempt,
      worker,
      startedAt: Number(started),
      endedAt: Number(finished),
      outcome: 'completed',
      ...(peak !== '' && { peakMemory: Number(peak) }),
    };
    job.attempts = [...job.attempts, ended].slice(-limits.history);
  }
  return { job, seq: Number(seq), token: token === '' ? null : token };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type State = Pick<Job, 'status' | 'version' | 'attempt' | 'maxAttempts' | 'held' | 'createdAt' | 'attempts'>;

/** Written out: spreading would be most of what a lease costs. */
function jobOf(part: StaticPart, state: State): Mutable<Job> {
  const job: Mutable<Job> = {
    id: part.id,
    type: part.type,
    status: state.status,
    version: state.version,
    input: part.input,
    retry: part.retry,
    timeoutMs: part.timeoutMs,
    attempt: state.attempt,
    maxAttempts: state.maxAttempts,
    priority: part.priority,
    held: state.held,
    labels: part.labels,
    createdAt: state.createdAt,
    attempts: state.attempts,
  };
  if (part.key) job.key = part.key.name;
  return job;
}

/** What claim.lua answers of a job that it leased. */
export type ClaimFields = readonly [
  version: number,
  attempt: number,
  max: number,
  history?: string,
  error?: string,
];

/** @param given.now when the attempt has begun, where it has. */
export function readLease(
  { job: part, createdAt }: ReadyMessage,
  [version, attempt, maxAttempts, history = '', error = '']: ClaimFields,
  given: { worker: string; token: string; now?: number },
): Lease {
  const attempts = history === '' ? [] : (JSON.parse(history) as EndedAttempt[]);
  const status = 'in-progress';
  const job = jobOf(part, { status, version, attempt, maxAttempts, held: false, createdAt, attempts });
  job.worker = given.worker;
  if (given.now !== undefined) job.startedAt = given.now;
  if (error !== '') job.error = JSON.parse(error) as Failure;
  return { job, token: `${given.token}-${job.id}` };
}
