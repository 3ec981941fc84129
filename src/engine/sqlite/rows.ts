/** Between the columns of the jobs table and the engine's types. */
import type { Status } from '../../jobs/life-cycle.js';
import type { Payload } from '../../jobs/payload.js';
import { priorities, type Priority } from '../../jobs/priority.js';
import type { RetryPolicy } from '../../jobs/retry.js';
import type { EndedAttempt, Failure, Job, JobFilter, Lease, NewJob, Progress } from '../engine.js';
import type { StoredFilter, StoredJob } from './protocol.js';

/** The numbers are in every database file: none may ever change its meaning. */
export const statusNumbers: Readonly<Record<Status, number>> = {
  scheduled: 0,
  pending: 1,
  'in-progress': 2,
  completed: 3,
  failed: 4,
  cancelled: 5,
};

/** As for the statuses: the number is the place in this list, for ever. */
const priorityOrder: readonly Priority[] = priorities;

export function priorityNumber(priority: Priority): number {
  return priorityOrder.indexOf(priority);
}

export function priorityName(number: number): Priority {
  const name = priorityOrder[number];
  if (name === undefined) throw new RangeError(`no priority has the number ${number}`);
  return name;
}

const statusNames = Object.fromEntries(
  Object.entries(statusNumbers).map(([name, number]) => [number, name]),
) as Readonly<Record<number, Status>>;

export function statusName(number: number): Status {
  const name = statusNames[number];
  if (name === undefined) throw new RangeError(`no status has the number ${number}`);
  return name;
}

/** What operations return of a job that they changed. */
export interface Change {
  readonly id: string;
  readonly type: string;
  readonly status: number;
  readonly version: number;
}

/** A change with what the counts need to know of its job. */
export interface CountedChange extends Change {
  readonly work: number;
  readonly priority: number;
  readonly key: string | null;
}

/** A job as `recordExpression` gives it, parsed. What was JSON in a column still is. */
interface JobRecord extends Change {
  readonly seq: number;
  readonly input: string | null;
  readonly inputBlob: string | null;
  readonly retry: string;
  readonly timeoutMs: number;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly createdAt: number;
  readonly runAt: number | null;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly worker: string | null;
  readonly token: string | null;
  readonly progress: string | null;
  readonly result: string | null;
  readonly resultBlob: string | null;
  readonly error: string | null;
  readonly history: string;
  readonly priority: number;
  readonly key: string | null;
  readonly held: number;
  readonly labels: string;
}

const recordColumns: Readonly<Record<keyof JobRecord, string>> = {
  seq: 'seq',
  id: 'id',
  type: 'type',
  status: 'status',
  version: 'version',
  input: 'input',
  inputBlob: 'input_blob',
  retry: 'retry',
  timeoutMs: 'timeout_ms',
  attempt: 'attempt',
  maxAttempts: 'max_attempts',
  createdAt: 'created_at',
  runAt: 'run_at',
  startedAt: 'started_at',
  finishedAt: 'finished_at',
  worker: 'worker',
  token: 'token',
  progress: 'progress',
  result: 'result',
  resultBlob: 'result_blob',
  error: 'error',
  history: 'history',
  priority: 'priority',
  key: 'key',
  held: 'held',
  labels: 'labels',
};

/**
 * What a reader gets of a job, as one value: fetching a column costs the library more than SQLite needs for all of
 * this, and one string crosses between threads at a tenth of the price of a row.
 */
export const recordExpression = `json_object(${Object.entries(recordColumns)
  .map(([name, column]) => `'${name}', ${column}`)
  .join(', ')})`;

/** The columns of a payload. What JSON has no word for, such as undefined, is stored as null. */
export function payloadColumns(payload: Payload): { json: string | null; blob: string | null } {
  if ('blob' in payload) return { json: null, blob: payload.blob };
  const json = JSON.stringify(payload.inline) as string | undefined;
  return { json: json ?? 'null', blob: null };
}

function payload(json: string | null, blob: string | null): Payload | undefined {
  if (json !== null) return { inline: JSON.parse(json) as unknown };
  return blob === null ? undefined : { blob };
}

export function storedJob(job: NewJob): StoredJob {
  const { json, blob } = payloadColumns(job.input);
  return {
    id: job.id,
    type: job.type,
    input: json,
    inputBlob: blob,
    retry: JSON.stringify(job.retry),
    timeoutMs: job.timeoutMs,
    maxAttempts: job.retry.attempts,
    work: job.work,
    priority: priorityNumber(job.priority),
    key: job.key?.name ?? null,
    places: job.key?.places ?? null,
    labels: JSON.stringify(job.labels),
    runAt: job.runAt ?? null,
    blobs: job.blobs,
    projection: job.projection ?? null,
  };
}

export function storedFilter({ status, type, label }: JobFilter): StoredFilter {
  return {
    status: status === undefined ? null : statusNumbers[status],
    type: type ?? null,
    label: label ?? null,
  };
}

export interface ReadJob {
  readonly job: Job;
  /** The job's place in the order of submission. */
  readonly seq: number;
  readonly token: string | null;
}

export function readRecord(text: string): ReadJob {
  const record = JSON.parse(text) as JobRecord;
  const input = payload(record.input, record.inputBlob);
  if (input === undefined) throw new RangeError(`job ${record.id} has no input`);
  const result = payload(record.result, record.resultBlob);
  const job: { -readonly [K in keyof Job]: Job[K] } = {
    id: record.id,
    type: record.type,
    status: statusName(record.status),
    version: record.version,
    input,
    retry: JSON.parse(record.retry) as RetryPolicy,
    timeoutMs: record.timeoutMs,
    attempt: record.attempt,
    maxAttempts: record.maxAttempts,
    priority: priorityName(record.priority),
    held: record.held === 1,
    labels: JSON.parse(record.labels) as Record<string, string>,
    createdAt: record.createdAt,
    attempts: JSON.parse(record.history) as EndedAttempt[],
  };
  if (record.key !== null) job.key = record.key;
  if (record.runAt !== null) job.runAt = record.runAt;
  if (record.startedAt !== null) job.startedAt = record.startedAt;
  if (record.finishedAt !== null) job.finishedAt = record.finishedAt;
  if (record.worker !== null) job.worker = record.worker;
  if (record.progress !== null) job.progress = JSON.parse(record.progress) as Progress;
  if (result !== undefined) job.result = result;
  if (record.error !== null) job.error = JSON.parse(record.error) as Failure;
  return { job, seq: record.seq, token: record.token };
}

export function readLease(text: string): Lease {
  const { job, token } = readRecord(text);
  if (token === null) throw new RangeError(`job ${job.id} is not leased`);
  return { job, token };
}
