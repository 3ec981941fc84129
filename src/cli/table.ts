/** Jobs as people read them. Pure: the time and the width come in as arguments. */
import Table from 'cli-table3';
import type { Job } from '../contract/job.js';
import { formatAge, formatBytes, formatDuration, shorten } from './format.js';
import type { Colour } from './terminal.js';

export interface Look {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Characters in a line; Infinity where lines may be of any length. */
  readonly width: number;
  readonly paint: (colour: Colour, text: string) => string;
}

const statusColours: Readonly<Record<string, Colour>> = {
  completed: 'green',
  failed: 'red',
  'in-progress': 'yellow',
  scheduled: 'cyan',
  cancelled: 'dim',
};

const gap = 2;

/** One line a job. Ids stay whole, since they are what other commands take; other columns give way to them. */
export function jobsTable(jobs: readonly Job[], look: Look): string {
  const rows = jobs.map((job) => ({
    id: job.id,
    type: job.type,
    status: job.status,
    tries: `${job.attempt}/${job.maxAttempts}`,
    age: formatAge(look.now - Date.parse(job.createdAt)),
    took: took(job),
    note: remark(job, look.now),
  }));
  const columns = (['id', 'type', 'status', 'tries', 'age', 'took'] as const).map((name) => ({
    name,
    width: Math.max(name.length, ...rows.map((row) => row[name].length)),
  }));
  const needed = (): number => columns.reduce((sum, column) => sum + column.width + gap, -gap);
  for (const name of ['took', 'tries', 'age'] as const) {
    if (needed() > look.width)
      columns.splice(
        columns.findIndex((column) => column.name === name),
        1,
      );
  }
  const room = look.width - needed() - gap;
  const withNote = room >= 12 && rows.some((row) => row.note !== '');
  const heads = columns.map(({ name }) => name.toUpperCase());
  return grid([
    [...heads, ...(withNote ? ['NOTE'] : [])].map((head) => look.paint('bold', head)),
    ...rows.map((row) => [
      ...columns.map(({ name }) => (name === 'status' ? paintStatus(row.status, look) : row[name])),
      ...(withNote ? [shorten(row.note, room)] : []),
    ]),
  ]);
}

/** Everything about one job, its attempts last. */
export function jobDetails(job: Job, look: Look): string {
  const width = Math.max(20, look.width - 12);
  const text = (value: unknown): string =>
    shorten(typeof value === 'string' ? value : JSON.stringify(value), width);
  const when = (iso: string): string => `${iso}  (${formatAge(look.now - Date.parse(iso))} ago)`;
  const status = paintStatus(job.status, look);
  const note = job.error ? '' : remark(job, look.now);
  const inline = job.result === undefined ? undefined : text(job.result);
  const resultText = job.resultBlob === undefined ? inline : `blob ${job.resultBlob}`;
  const labels = Object.entries(job.labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['job', job.id],
    ['type', job.type],
    ['status', note === '' ? status : `${status}  ${note}`],
    ['priority', job.priority === 'normal' ? undefined : job.priority],
    ['key', job.concurrencyKey],
    ['labels', labels === '' ? undefined : text(labels)],
    ['attempt', `${job.attempt} of ${job.maxAttempts}`],
    ['submitted', when(job.createdAt)],
    ['started', job.startedAt && when(job.startedAt)],
    ['finished', job.finishedAt && when(job.finishedAt)],
    ['took', took(job) || undefined],
    ['worker', job.worker],
    ['input', job.inputBlob === undefined ? text(job.input ?? null) : `blob ${job.inputBlob}`],
    ['result', resultText],
    ['error', job.error && text(`${job.error.code}: ${job.error.message}`)],
    ...Object.entries(job.error?.details ?? {}).map(
      ([name, value]) => ['', `${look.paint('dim', name.padEnd(10))}  ${detailText(value, text)}`] as const,
    ),
  ];
  const lines = facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${look.paint('dim', name.padEnd(10))}  ${value}`],
  );
  if (job.attempts.length > 0) lines.push('', attemptsTable(job, look));
  return lines.join('\n');
}

/** A blob by its whole id, which other commands take. */
function detailText(value: unknown, text: (value: unknown) => string): string {
  const blob = typeof value === 'object' && value !== null && 'blob' in value ? value.blob : undefined;
  return typeof blob === 'string' ? `blob ${blob}` : text(value);
}

function attemptsTable(job: Job, look: Look): string {
  const rows = job.attempts.map((attempt) => [
    String(attempt.attempt),
    attempt.outcome,
    formatDuration(Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt)),
    attempt.peakMemory === undefined ? '' : formatBytes(attempt.peakMemory),
    attempt.error
      ? shorten(`${attempt.error.code}: ${attempt.error.message}`, Math.max(12, look.width - 44))
      : '',
  ]);
  const heads = ['ATTEMPT', 'OUTCOME', 'TOOK', 'MEMORY', 'ERROR'].map((head) => look.paint('bold', head));
  return grid([heads, ...rows]);
}

/** Columns without lines between them; the first row is the head. */
export function grid(rows: readonly (readonly string[])[]): string {
  const none = { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '' };
  const more = { 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '' };
  const table = new Table({
    chars: { ...none, ...more, right: '', 'right-mid': '', middle: ' '.repeat(gap) },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

function paintStatus(status: string, look: Look): string {
  const colour = statusColours[status];
  return colour ? look.paint(colour, status) : status;
}

/** How long the latest attempt ran, once the job is final; else nothing. */
function took(job: Job): string {
  if (job.startedAt === undefined || job.finishedAt === undefined) return '';
  return formatDuration(Date.parse(job.finishedAt) - Date.parse(job.startedAt));
}

/** What is worth knowing right now: the error, how far it is, what holds it, or when it runs again. */
export function remark(job: Job, now: number): string {
  if (job.status === 'in-progress' && job.progress) {
    const { fraction, message } = job.progress;
    return `${Math.floor(100 * fraction)}%${message === undefined ? '' : ` ${message}`}`;
  }
  if (job.status === 'completed') return '';
  if (job.held && job.concurrencyKey !== undefined) return `held by key ${job.concurrencyKey}`;
  const error = job.error ? `${job.error.code}: ${job.error.message}` : '';
  if (job.status !== 'scheduled' || job.runAt === undefined) return error;
  const due = `in ${formatDuration(Math.max(0, Date.parse(job.runAt) - now))}`;
  return error === '' ? due : `${due}, after ${error}`;
}
