import { Option, type Command } from 'commander';
import type { Job, JobList } from '../contract/job.js';
import { statuses, type Status } from '../jobs/life-cycle.js';
import {
  clientOf,
  Interrupted,
  interruptible,
  lookOf,
  progressOf,
  serverFlag,
  withCommonOptions,
  type CommonOptions,
  type Context,
  type Handle,
} from './context.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { explanationText } from './explain.js';
import { changeAll, refuseFilter, withFilter, type ChangeOptions } from './bulk.js';
import { OutputLines } from './output-lines.js';
import { jobDetails, jobsTable } from './table.js';
import { print, printJson } from './terminal.js';
import { awaitJob, exitCodeOf, matmulSummary, tellEnd } from './waiting.js';

interface ListOptions extends CommonOptions {
  readonly status?: Status;
  readonly type?: string;
  readonly label?: string;
  readonly limit: string;
  readonly all?: boolean;
}

const pageSize = 1000;

export function addJobs(program: Command, context: Context, handle: Handle): void {
  const jobs = program.command('jobs').description('look at jobs and steer them');

  withCommonOptions(jobs.command('list').alias('ls'))
    .description('the latest jobs, newest first')
    .addOption(new Option('--status <status>', 'only jobs in this status').choices(statuses))
    .option('--type <type>', 'only jobs of this type')
    .option('--label <name=value>', 'only jobs with this label')
    .option('--limit <n>', 'at most so many', '20')
    .option('--all', 'all of them')
    .action((options: ListOptions) => handle(options.json === true, () => list(options, context)));

  withCommonOptions(jobs.command('get <id>'))
    .description('everything about one job')
    .action((id: string, options: CommonOptions) =>
      handle(options.json === true, async () => {
        show(await clientOf(context, options).get(id), options, context);
        return exitCodes.ok;
      }),
    );

  withCommonOptions(jobs.command('watch <id>'))
    .description('wait until the job is final; show its progress, and what it prints from now on')
    .action((id: string, options: CommonOptions) =>
      handle(options.json === true, () => watch(id, options, context)),
    );

  withCommonOptions(jobs.command('explain <id>'))
    .description('why a job is where it is, and when it may start')
    .action((id: string, options: CommonOptions) =>
      handle(options.json === true, async () => {
        const explanation = await clientOf(context, options).explain(id);
        if (options.json) printJson(context.terminal.out, explanation);
        else print(context.terminal.out, explanationText(explanation, lookOf(context)));
        return exitCodes.ok;
      }),
    );

  withFilter(jobs.command('cancel [id]'), 'cancel')
    .description('cancel a job, or all that fit a filter, that are not final yet; running work is stopped')
    .action((id: string | undefined, options: ChangeOptions) =>
      handle(options.json === true, async () => {
        if (id === undefined) return changeAll('cancel', options, context);
        refuseFilter(options);
        const job = await clientOf(context, options).cancel(id);
        say(job, `job ${id} is ${job.status}`, options, context);
        return exitCodes.ok;
      }),
    );

  withFilter(jobs.command('redrive [id]'), 'redrive')
    .description('give a failed job, or all that fit a filter, new attempts')
    .action((id: string | undefined, options: ChangeOptions) =>
      handle(options.json === true, async () => {
        if (id === undefined) return changeAll('redrive', options, context);
        refuseFilter(options);
        const job = await clientOf(context, options).redrive(id);
        const text = `job ${id} is ${job.status} again: dray jobs watch ${id}${serverFlag(options)}`;
        say(job, text, options, context);
        return exitCodes.ok;
      }),
    );
}

async function list(options: ListOptions, context: Context): Promise<ExitCode> {
  if (!/^[1-9]\d*$/.test(options.limit))
    throw new UsageError(`--limit: "${options.limit}" is not a number above 0`);
  const client = clientOf(context, options);
  const wanted = options.all ? Infinity : Number(options.limit);
  const { status, type, label } = options;
  const found: Job[] = [];
  let cursor: JobList['nextCursor'] = null;
  do {
    const limit = Math.min(pageSize, wanted - found.length);
    const page: JobList = await client.listPage({ status, type, label, limit, cursor });
    found.push(...page.jobs);
    cursor = page.nextCursor;
  } while (cursor !== null && found.length < wanted);

  const { terminal } = context;
  if (options.json) printJson(terminal.out, { jobs: found, nextCursor: cursor });
  else if (found.length > 0) print(terminal.out, jobsTable(found, lookOf(context)));
  if (!options.json && !options.quiet) {
    if (found.length === 0) print(terminal.err, 'no such jobs');
    else if (cursor !== null) print(terminal.err, `there are more: --limit ${2 * found.length}, or --all`);
  }
  return exitCodes.ok;
}

async function watch(id: string, options: CommonOptions, context: Context): Promise<ExitCode> {
  const client = clientOf(context, options);
  const progress = progressOf(context, options);
  const { terminal, clock } = context;
  const isShown = options.json !== true && options.quiet !== true;
  const output = new OutputLines(terminal.out, (write) => progress.above(write));
  try {
    const job = await interruptible((signal) =>
      awaitJob({
        ...{ client, id, progress, signal },
        now: () => clock.now(),
        ...(isShown && { onOutput: (text: string) => output.write(text) }),
      }),
    );
    output.end();
    const summary = matmulSummary(job.result);
    if (options.json) printJson(terminal.out, job);
    else if (job.status !== 'completed') tellEnd(terminal, job, serverFlag(options));
    else if (!options.quiet)
      print(terminal.out, summary ?? `job ${id} is completed: dray result ${id}${serverFlag(options)}`);
    return exitCodeOf(job);
  } catch (error) {
    progress.stop();
    if (!(error instanceof Interrupted)) throw error;
    print(terminal.err, '\ndray: no longer watching; the job goes on');
    return exitCodes.interrupted;
  } finally {
    progress.stop();
  }
}

function show(job: Job, options: CommonOptions, context: Context): void {
  if (options.json) printJson(context.terminal.out, job);
  else print(context.terminal.out, jobDetails(job, lookOf(context)));
}

function say(job: Job, text: string, options: CommonOptions, context: Context): void {
  if (options.json) printJson(context.terminal.out, job);
  else if (!options.quiet) print(context.terminal.out, text);
}
