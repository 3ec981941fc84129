import { readFile, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { DrayClient } from '../client/http.js';
import type { FilePart } from '../client/multipart.js';
import type { Job, SubmitJob } from '../contract/job.js';
import { priorities, type Priority } from '../jobs/priority.js';
import {
  clientOf,
  Interrupted,
  interruptible,
  progressOf,
  serverFlag,
  withCommonOptions,
  type CommonOptions,
  type Context,
  type Handle,
} from './context.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { acceptFor, checkWritable, fetchToFile, fetchToStdout } from './fetching.js';
import { formatBytes, parseDuration } from './format.js';
import type { Progress } from './progress.js';
import { print, printJson } from './terminal.js';
import { awaitJob, exitCodeOf, isSimulated, matmulSummary, tellEnd } from './waiting.js';

interface SubmitOptions extends CommonOptions {
  readonly input?: string;
  readonly output?: string;
  readonly dtype?: string;
  readonly verify: boolean;
  readonly detach?: boolean;
  readonly attempts?: string;
  readonly timeout?: string;
  readonly priority?: Priority;
  readonly delay?: string;
  readonly at?: string;
  readonly key?: string;
  readonly maxConcurrency?: string;
  readonly label?: readonly string[];
  readonly idempotencyKey?: string;
}

export function addSubmit(program: Command, context: Context, handle: Handle): void {
  withCommonOptions(program.command('submit <type> [files...]'))
    .description('submit a job, wait for it and fetch its result; matmul takes two .npy files')
    .option('-i, --input <json>', 'the input as JSON, @file to read it from a file, - to read it from stdin')
    .option('-o, --output <file>', 'write the result here, as .npy or .json by its ending')
    .addOption(
      new Option('--dtype <dtype>', 'matmul: element type of the product').choices(['float64', 'float32']),
    )
    .option('--no-verify', 'matmul: do not check the product')
    .option('-d, --detach', 'print the id of the job and do not wait')
    .option('--attempts <n>', 'how many runs the job gets in all')
    .option('--timeout <duration>', 'longest time of one attempt, such as 90s, 10m or 2h')
    .addOption(new Option('--priority <priority>', 'who is served first').choices(priorities))
    .option('--delay <duration>', 'do not run it before so long from now, such as 30s')
    .option('--at <time>', 'do not run it before this time, such as 2030-01-31T12:00:00Z')
    .option('--key <key>', 'of the jobs of one type and key only so many run at a time')
    .option('--max-concurrency <n>', 'how many that are; 1 by default')
    .option('--label <name=value>', 'a label to find the job by; may come again', collect)
    .option(
      '--idempotency-key <key>',
      'sent again under the same key, the same submission gives the same job',
    )
    .addHelpText(
      'after',
      `
Examples:
  dray submit matmul A.npy B.npy -o C.npy
  dray submit echo --input '{"hello": "world"}'
  dray submit matmul --input '{"a": {"random": {"rows": 2000, "cols": 2000, "seed": 1}},
                               "b": {"random": {"rows": 2000, "cols": 2000, "seed": 2}}}'`,
    )
    .action((type: string, files: string[], options: SubmitOptions) =>
      handle(options.json === true, () => submit({ type, files, options, context })),
    );
}

interface Submission {
  readonly type: string;
  readonly files: readonly string[];
  readonly options: SubmitOptions;
  readonly context: Context;
}

async function submit(submission: Submission): Promise<ExitCode> {
  const { options, context } = submission;
  const { terminal } = context;
  const client = clientOf(context, options);
  const server = serverFlag(options);
  const files = await fileParts(submission);
  const request = await jobRequest(submission);
  if (options.output !== undefined) {
    if (options.detach) throw new UsageError('--output needs the result, which --detach does not wait for');
    await checkWritable(options.output);
  }
  const progress = progressOf(context, options);
  let job: Job | undefined;
  try {
    return await interruptible(async (signal) => {
      const sent = { client, request, files, progress, signal };
      job = await send({ ...sent, ...given('idempotencyKey', options.idempotencyKey) });
      if (options.detach) {
        if (options.json) printJson(terminal.out, job);
        else
          print(
            terminal.out,
            options.quiet ? job.id : `job ${job.id} is accepted: dray jobs watch ${job.id}${server}`,
          );
        return exitCodes.ok;
      }
      job = await awaitJob({ client, id: job.id, progress, now: () => context.clock.now(), signal });
      await deliver({ job, client, submission, progress, signal });
      return exitCodeOf(job);
    });
  } catch (error) {
    progress.stop();
    if (!(error instanceof Interrupted)) throw error;
    sayInterrupted(submission, job);
    return exitCodes.interrupted;
  } finally {
    progress.stop();
  }
}

async function send(params: {
  client: DrayClient;
  request: SubmitJob;
  files: readonly FilePart[];
  progress: Progress;
  signal: AbortSignal;
  idempotencyKey?: string;
}): Promise<Job> {
  const { client, request, files, progress, signal } = params;
  const options = { signal, ...given('idempotencyKey', params.idempotencyKey) };
  if (files.length === 0) return client.submit(request, options);
  const stage = progress.stage('upload', 'bytes');
  let sent = 0;
  const job = await client.submitFiles({
    job: request,
    files,
    ...options,
    onBytes: (done, total) => {
      sent = done;
      stage.update(done, total);
    },
  });
  stage.finish(`${formatBytes(sent)}, job ${job.id}`);
  return job;
}

/** Writes what the user asked for: the file, the JSON document, the summary or the plain result. */
async function deliver(params: {
  job: Job;
  client: DrayClient;
  submission: Submission;
  progress: Progress;
  signal: AbortSignal;
}): Promise<void> {
  const { job, client, submission, progress, signal } = params;
  const { output, json, quiet } = submission.options;
  const { terminal } = submission.context;
  const { id } = job;
  const server = serverFlag(submission.options);
  if (output !== undefined && job.status === 'completed') {
    await fetchToFile({ client, id, accept: acceptFor(undefined, output), path: output, progress, signal });
  }
  const summary = matmulSummary(job.result);
  if (json) printJson(terminal.out, job);
  else if (job.status !== 'completed') tellEnd(terminal, job, server);
  else if (summary !== undefined) {
    if (!quiet) print(terminal.out, `${output ?? 'product'}: ${summary}`);
    if (output === undefined && !quiet && !isSimulated(job.result))
      print(terminal.out, `fetch it with: dray result ${id}${server} -o C.npy`);
  } else if (output === undefined) {
    await fetchToStdout({ client, id, accept: acceptFor('json', undefined), terminal, signal });
  }
}

/** What Ctrl-C leaves behind depends on how far the command was. */
function sayInterrupted({ context, options }: Submission, job: Job | undefined): void {
  const { err } = context.terminal;
  const server = serverFlag(options);
  if (!job) {
    print(err, '\ndray: stopped before the answer came; a job whose upload was not whole does not exist');
    print(err, `  → See \`dray jobs list${server}\`.`);
    return;
  }
  const output = options.output === undefined ? '' : ` -o ${options.output}`;
  const end = job.status === 'completed' ? 'is completed' : 'goes on';
  print(err, `\ndray: the job ${end} without you`);
  print(err, `  → result: dray result ${job.id}${server}${output}`);
  if (job.status !== 'completed') {
    print(err, `  → watch:  dray jobs watch ${job.id}${server}`);
    print(err, `  → stop:   dray jobs cancel ${job.id}${server}`);
  }
}

async function fileParts({ type, files }: Submission): Promise<readonly FilePart[]> {
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

async function jobRequest({ type, files, options }: Submission): Promise<SubmitJob> {
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

/** How the job is to be run, as the options say; the server checks what they mean. */
function rules(options: SubmitOptions): Omit<SubmitJob, 'type' | 'input'> {
  const { attempts, timeout, priority, delay, at, key, maxConcurrency, label } = options;
  return {
    ...(attempts === undefined ? {} : { retry: { attempts: wholeNumber('--attempts', attempts) } }),
    ...(timeout === undefined ? {} : { timeoutMs: duration('--timeout', timeout) }),
    ...given('priority', priority),
    ...(delay === undefined ? {} : { delayMs: duration('--delay', delay) }),
    ...given('runAt', at),
    ...given('concurrencyKey', key),
    ...(maxConcurrency === undefined
      ? {}
      : { maxConcurrency: wholeNumber('--max-concurrency', maxConcurrency) }),
    ...(label === undefined ? {} : { labels: labelsOf(label) }),
  };
}

function given<K extends string, V>(name: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [name]: value } as Partial<Record<K, V>>);
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

function labelsOf(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf('=');
      if (at < 1) throw new UsageError(`--label: "${label}" is not name=value`, 'Write --label team=red.');
      return [label.slice(0, at), label.slice(at + 1)];
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
