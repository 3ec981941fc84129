/** `dray scale explain`: how many workers there should be, and how the figure comes about. */
import type { Command } from 'commander';
import type { WorkerScale } from '../contract/scale.js';
import { decidedBy, wantedWorkers } from '../jobs/scaling.js';
import {
  clientOf,
  lookOf,
  withCommonOptions,
  type CommonOptions,
  type Context,
  type Handle,
} from './context.js';
import { exitCodes, type ExitCode } from './failure.js';
import { formatDuration, shorten } from './format.js';
import { grid, type Look } from './table.js';
import { print, printJson } from './terminal.js';

interface ExplainOptions extends CommonOptions {
  readonly pool?: string;
}

export function addScale(program: Command, context: Context, handle: Handle): void {
  const scale = program.command('scale').description('look at how many workers there should be');
  withCommonOptions(scale.command('explain'))
    .description('how many workers are wanted, and by which of the terms')
    .option('--pool <name>', 'of which pool (default: default)')
    .action((options: ExplainOptions) => handle(options.json === true, () => explain(options, context)));
}

async function explain(options: ExplainOptions, context: Context): Promise<ExitCode> {
  const { pool } = options;
  const scale = await clientOf(context, options).scale(pool === undefined ? {} : { pool });
  const { out } = context.terminal;
  if (options.json) printJson(out, scale);
  else print(out, options.quiet ? headline(scale) : explainScale(scale, lookOf(context)));
  return exitCodes.ok;
}

/** The figure, what decided it, all terms, and the formula with the numbers put in. */
export function explainScale(scale: WorkerScale, look: Look): string {
  return [
    look.paint('bold', headline(scale)),
    decision(scale),
    '',
    termsTable(scale, look),
    '',
    formula(scale),
  ].join('\n');
}

function headline(scale: WorkerScale): string {
  const { desired_worker_scale: desired, current_workers: current, busy_workers: busy } = scale;
  return `${workers(desired)} wanted, ${current} there (${busy} busy)`;
}

function decision(scale: WorkerScale): string {
  const { need, busy_workers: busy, min_workers: min, max_workers: max, oldest_age: age, slo } = scale;
  const needed = need === 0 ? 'none' : `only ${need}`;
  const counts = { need, busyWorkers: busy, currentWorkers: scale.current_workers };
  const terms = { ...counts, oldestAge: age, slo, min, max };
  switch (decidedBy(terms)) {
    case 'need':
      return need === 0 ? 'There is nothing to do.' : `The load decides: it needs ${workers(need)}.`;
    case 'busy':
      return `The busy workers decide: ${busy} must stay, though the load needs ${needed}.`;
    case 'late':
      return `The oldest job decides: one more, after ${seconds(age)} (slo ${seconds(slo)}).`;
    case 'min':
      return `The lower bound decides: never below ${min}, though the load needs ${needed}.`;
    case 'max':
      return `The upper bound decides: never above ${max}, though ${wantedWorkers(terms)} are wanted.`;
  }
}

/** Every term of the wire's form, in its order: its unit and what it means. */
const meanings: Readonly<Record<keyof WorkerScale, readonly [unit: string, meaning: string]>> = {
  desired_worker_scale: ['workers', 'how many there should be'],
  current_workers: ['workers', 'how many there are'],
  busy_workers: ['workers', 'how many of them work'],
  min_workers: ['workers', 'never fewer'],
  max_workers: ['workers', 'never more'],
  need: ['workers', 'what the load needs, see below'],
  arrival_rate: ['jobs/s', 'how often jobs come'],
  service_time: ['s', 'how long one keeps a slot busy'],
  backlog_jobs: ['jobs', 'how many wait'],
  backlog_seconds: ['s', 'how long they will run, together'],
  oldest_age: ['s', 'the longest wait among them'],
  slots_per_worker: ['slots', 'jobs that a worker runs at a time'],
  utilisation: ['', 'share of its slots to have busy'],
  drain_target: ['s', 'time to work off what waits'],
  slo: ['s', 'longest that a job should wait'],
};

function termsTable(scale: WorkerScale, look: Look): string {
  const names = Object.keys(meanings) as (keyof WorkerScale)[];
  const heads = ['TERM', 'VALUE', 'UNIT', 'MEANING'];
  const rows = names.map((name) => [name, figure(scale[name]), ...meanings[name]]);
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]!.length)),
  );
  const room = look.width - widths[0]! - widths[1]! - widths[2]! - 6;
  return grid(
    [heads, ...rows].map(([term, value, unit, meaning], row) => {
      const cells = [term!, value!.padStart(widths[1]!), unit!];
      if (room >= 12) cells.push(shorten(meaning!, room));
      return row === 0 ? cells.map((cell) => look.paint('bold', cell)) : cells;
    }),
  );
}

function formula(scale: WorkerScale): string {
  const { need, busy_workers: busy, current_workers: current, min_workers: min, max_workers: max } = scale;
  const value = (name: keyof WorkerScale): string => figure(scale[name]);
  const arriving = `${value('arrival_rate')} × ${value('service_time')}`;
  const waiting = `${value('backlog_seconds')} / ${value('drain_target')}`;
  const worker = `${value('slots_per_worker')} × ${value('utilisation')}`;
  const late = scale.oldest_age > scale.slo ? current + 1 : 0;
  return [
    'need    = ceil((arrival_rate × service_time + backlog_seconds / drain_target)',
    '               / (slots_per_worker × utilisation))',
    `        = ceil((${arriving} + ${waiting}) / (${worker}))`,
    `        = ceil(${beforeCeil(scale)}) = ${need}`,
    'late    = oldest_age > slo ? current_workers + 1 : 0',
    `        = ${value('oldest_age')} > ${value('slo')} ? ${current} + 1 : 0 = ${late}`,
    'desired = clamp(max(need, busy_workers, late), min_workers, max_workers)',
    `        = clamp(max(${need}, ${busy}, ${late}), ${min}, ${max}) = ${scale.desired_worker_scale}`,
  ].join('\n');
}

/** With as few digits, from four on, as leave it plain why it is rounded up to `need`. */
function beforeCeil(scale: WorkerScale): string {
  const load = scale.arrival_rate * scale.service_time + scale.backlog_seconds / scale.drain_target;
  const quotient = load / (scale.slots_per_worker * scale.utilisation);
  for (let digits = 4; digits <= 17; digits++) {
    const rounded = Number(quotient.toPrecision(digits));
    if (Math.ceil(rounded) === scale.need) return String(rounded);
  }
  return String(quotient);
}

/** Counts in full, amounts to about four digits. */
function figure(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return String(value >= 1_000 ? Math.round(value) : Number(value.toPrecision(4)));
}

function workers(count: number): string {
  return `${count} worker${count === 1 ? '' : 's'}`;
}

function seconds(amount: number): string {
  return formatDuration(1_000 * amount);
}
