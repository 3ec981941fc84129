/** What `dray submit` sends: the job as its options say it. The server checks what they mean. */
import { readFile, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { Option, type Command } from 'commander';
import type { FilePart } from '../client/index.js';
import type { SubmitJob } from '../contract/job.js';
import { parseDuration } from '../jobs/duration.js';
import { parseLabel } from '../jobs/label.js';
import { priorities, type Priority } from '../jobs/priority.js';
import { UsageError } from './failure.js';

export interface JobOptions {
  readonly input?: string;
  readonly dtype?: string;
  readonly verify: boolean;
  readonly attempts?: string;
  readonly timeout?: string;
  readonly priority?: Priority;
  readonly delay?: string;
  readonly at?: string;
  readonly key?: string;
  readonly maxConcurrency?: string;
  readonly label?: readonly string[];
}

/** Adds the options that say what the job is and how it is to be run. */
export function withJobOptions(command: Command): Command {
  return command
    .option('-i, --input <json>', 'the input as JSON, @file to read it from a file, - to read it from stdin')
    .addOption(
      new Option('--dtype <dtype>', 'matmul: element type of the product').choices(['float64', 'float32']),
    )
    .option('--no-verify', 'matmul: do not check the product')
    .option('--attempts <n>', 'how many runs the job gets in all')
    .option('--timeout <duration>', 'longest time of one attempt, such as 90s, 10m or 2h')
    .addOption(new Option('--priority <priority>', 'who is served first').choices(priorities))
    .option('--delay <duration>', 'do not run it before so long from now, such as 30s')
    .option('--at <time>', 'do not run it before this time, such as 2030-01-31T12:00:00Z')
    .option('--key <key>', 'of the jobs of one type and key only so many run at a time')
    .option('--max-concurrency <n>', 'how many that are; 1 by default')
    .option('--label <name=value>', 'a label to find the job by; may come again', collect);
}

interface Given {
  readonly type: string;
  readonly files: readonly string[];
  readonly options: JobOptions;
}

/** @throws UsageError where the files are none that the job type takes. */
export async function fileParts({ type, files }: Given): Promise<readonly FilePart[]> {
  if (files.length === 0) return [];
  if (type !== 'matmul' || files.length !== 2) {
    throw new UsageError(
      type === 'matmul' ? `matmul takes two files, not ${files.length}` : `${type} takes no files`,
      'Use `dray submit matmul A.npy B.npy`, or give the input with --input.',
    );
  }
  for (const path of files) {
    const info = await stat(path).catch(() => undefined);
    if (!info)
      throw new UsageError(`${path}: no such file`, 'Check the path; it is relative to the current folder.');
    if (!info.isFile())
      throw new UsageError(`${path} is not a file`, 'Give a .npy file, as numpy.save writes it.');
  }
  return files.map((path, at) => ({ field: at === 0 ? 'a' : 'b', path, contentType: 'application/x-npy' }));
}

/** @throws UsageError where an option cannot be meant so. */
export async function jobRequest({ type, files, options }: Given): Promise<SubmitJob> {
  const given = options.input === undefined ? {} : await readInput(options.input);
  const extra = {
    ...(options.dtype === undefined ? {} : { dtype: options.dtype }),
    ...(options.verify ? {} : { verify: false }),
  };
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  if (Object.keys(extra).length > 0 && (type !== 'matmul' || !isObject)) {
    throw new UsageError('--dtype and --no-verify are for matmul');
  }
  const input = isObject ? { ...given, ...extra } : given;
  const withInput = options.input !== undefined || files.length > 0 || Object.keys(extra).length > 0;
  return { type, ...(withInput ? { input } : {}), ...rules(options) };
}

/** How the job is to be run. */
function rules(options: JobOptions): Omit<SubmitJob, 'type' | 'input'> {
  const { attempts, timeout, priority, delay, at, key, maxConcurrency, label } = options;
  return {
    ...(attempts !== undefined && { retry: { attempts: wholeNumber('--attempts', attempts) } }),
    ...(timeout !== undefined && { timeoutMs: duration('--timeout', timeout) }),
    ...(priority !== undefined && { priority }),
    ...(delay !== undefined && { delayMs: duration('--delay', delay) }),
    ...(at !== undefined && { runAt: at }),
    ...(key !== undefined && { concurrencyKey: key }),
    ...(maxConcurrency !== undefined && { maxConcurrency: wholeNumber('--max-concurrency', maxConcurrency) }),
    ...(label !== undefined && { labels: labelsOf(label) }),
  };
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

function labelsOf(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((text) => {
      const label = parseLabel(text);
      if (!label) throw new UsageError(`--label: "${text}" is not name=value`, 'Write --label team=red.');
      return [label.name, label.value];
    }),
  );
}

async function readInput(option: string): Promise<unknown> {
  let json = option;
  if (option === '-') json = await text(process.stdin);
  else if (option.startsWith('@')) {
    json = await readFile(option.slice(1), 'utf8').catch(() => {
      throw new UsageError(`--input: cannot read ${option.slice(1)}`, 'Check the path after the @.');
    });
  }
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw new UsageError(
      `--input is not JSON: ${(error as Error).message}`,
      'Quote it for the shell: --input \'{"x": 1}\'.',
    );
  }
}

function wholeNumber(option: string, value: string): number {
  if (!/^[1-9]\d*$/.test(value)) throw new UsageError(`${option}: "${value}" is not a whole number above 0`);
  return Number(value);
}

function duration(option: string, value: string): number {
  const ms = parseDuration(value);
  if (ms === undefined)
    throw new UsageError(`${option}: "${value}" is not a duration`, 'Write 90s, 10m or 2h.');
  return ms;
}
