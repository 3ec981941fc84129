/** `dray submit`: send a job, wait for it, fetch its result. */
import type { Command } from 'commander';
import type { FilePart } from '../client/index.js';
import type { Job, SubmitJob } from '../contract/job.js';
import {
  clientOf,
  Interrupted,
  interruptible,
  progressOf,
  serverFlag,
  withCommonOptions,
  type CommandClient,
  type CommonOptions,
  type Context,
  type Handle,
} from './context.js';
import { exitCodes, UsageError, type ExitCode } from './failure.js';
import { acceptFor, checkWritable, fetchToFile, fetchToStdout } from './fetching.js';
import { formatBytes } from './format.js';
import type { Progress } from './progress.js';
import { fileParts, jobRequest, withJobOptions, type JobOptions } from './submission.js';
import { print, printJson } from './terminal.js';
import { awaitJob, exitCodeOf, isSimulated, matmulSummary, tellEnd } from './waiting.js';

interface SubmitOptions extends CommonOptions, JobOptions {
  readonly output?: string;
  readonly detach?: boolean;
  readonly idempotencyKey?: string;
}

export function addSubmit(program: Command, context: Context, handle: Handle): void {
  withCommonOptions(withJobOptions(program.command('submit <type> [files...]')))
    .description('submit a job, wait for it and fetch its result; matmul takes two .npy files')
    .option('-o, --output <file>', 'write the result here, as .npy or .json by its ending')
    .option('-d, --detach', 'print the id of the job and do not wait')
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
      const { idempotencyKey } = options;
      job = await send({ client, request, files, progress, signal, idempotencyKey });
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
  client: CommandClient;
  request: SubmitJob;
  files: readonly FilePart[];
  progress: Progress;
  signal: AbortSignal;
  idempotencyKey: string | undefined;
}): Promise<Job> {
  const { client, request, files, progress, signal, idempotencyKey } = params;
  const options = { signal, idempotencyKey };
  if (files.length === 0) return client.submit(request, options);
  const stage = progress.stage('upload', 'bytes');
  let sent = 0;
  const job = await client.submitFiles({
    job: request,
    files,
    ...options,
    onBytes: (done, total) => {
      sent = done;
      stage.update(done, total ?? done);
    },
  });
  stage.finish(`${formatBytes(sent)}, job ${job.id}`);
  return job;
}

/** Writes what the user asked for: the file, the JSON document, the summary or the plain result. */
async function deliver(params: {
  job: Job;
  client: CommandClient;
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
