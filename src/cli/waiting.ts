/** Waiting for a job, and telling how it ended. */
import { ClientError } from '../client/index.js';
import type { Job } from '../contract/job.js';
import { isFinal } from '../jobs/life-cycle.js';
import type { CommandClient } from './context.js';
import { exitCodes, type ExitCode } from './failure.js';
import { formatDuration } from './format.js';
import type { Progress } from './progress.js';
import { remark } from './table.js';
import { print, type Terminal } from './terminal.js';

/** How long a server that is away is put up with, as in a restart: the job itself is safe. In ms. */
const patienceMs = 30_000;

/** Follows the job by its events until it is final, and shows its progress meanwhile. */
export async function awaitJob(params: {
  client: CommandClient;
  id: string;
  progress: Progress;
  now: () => number;
  signal: AbortSignal;
  /** Gets what the job prints meanwhile. */
  onOutput?: (text: string) => void;
}): Promise<Job> {
  const { client, id, progress, now, signal, onOutput = () => undefined } = params;
  const stage = progress.stage('running', 'fraction');
  const patient = { signal, patienceMs };
  try {
    const watching = { ...patient, onOutput: ({ text }: { text: string }) => onOutput(text) };
    for await (const event of client.events(id, watching)) {
      if (isFinal(event.status)) break;
      // An event does not say what a job that does not run waits for.
      const note = event.status === 'in-progress' ? '' : remark(await client.get(id, patient), now());
      const { attempt = 0, maxAttempts = 0 } = event;
      const tries = attempt > 1 ? `, attempt ${attempt} of ${maxAttempts}` : '';
      const text = `${event.status}${tries}${note === '' ? '' : `, ${note}`}`;
      stage.update(event.progress?.fraction ?? 0, 1, text);
    }
  } catch (error) {
    // A server gives out a bounded number of streams; waiting without one only shows less.
    if (!(error instanceof ClientError && error.code === 'unavailable')) throw error;
  }
  const job = await client.wait(id, patient);
  if (job.status === 'completed') stage.finish(`completed${runTime(job)}`);
  else {
    stage.update(job.progress?.fraction ?? 0, 1, job.status);
    progress.stop();
  }
  return job;
}

function runTime(job: Job): string {
  if (job.startedAt === undefined || job.finishedAt === undefined) return '';
  return ` in ${formatDuration(Date.parse(job.finishedAt) - Date.parse(job.startedAt))}`;
}

export function exitCodeOf(job: Job): ExitCode {
  return job.status === 'failed' || job.status === 'cancelled' ? exitCodes.failed : exitCodes.ok;
}

/** Says on stderr why the job has no result; nothing where it has one. */
export function tellEnd(terminal: Terminal, job: Job, serverFlag: string): void {
  if (job.status === 'cancelled') {
    print(terminal.err, `dray: job ${job.id} was cancelled`);
    print(terminal.err, '  → Submit it again if that was not meant.');
  } else if (job.status === 'failed') {
    const why = job.error ? `${job.error.code}: ${job.error.message}` : 'no reason is recorded';
    const after = `after ${job.attempt} ${job.attempt === 1 ? 'attempt' : 'attempts'}`;
    print(terminal.err, `dray: job ${job.id} failed ${after}: ${why}`);
    print(
      terminal.err,
      `  → See \`dray jobs get ${job.id}${serverFlag}\`; run it again: \`dray jobs redrive ${job.id}${serverFlag}\`.`,
    );
  }
}

/** The summary of a product, read from a result of `matmul`; undefined where it is none. */
export function matmulSummary(result: unknown): string | undefined {
  if (isSimulated(result)) {
    const held = formatDuration(1000 * result.seconds.total);
    return `${result.rows} × ${result.cols}, simulated: a slot was held for ${held}, nothing was multiplied`;
  }
  if (!isMatmulResult(result)) return undefined;
  const { rows, cols, dtype, seconds, gflops, kernel, check, finite } = result;
  const speed = `multiplied in ${formatDuration(1000 * seconds.multiply)}, ${gflops.toFixed(1)} GFLOP/s (${kernel})`;
  const checked =
    check.status === 'passed'
      ? `checked: residual ${check.residual.toExponential(1)}, bound ${check.bound.toExponential(1)}`
      : `not checked: ${check.reason}`;
  return `${rows} × ${cols} ${dtype}, ${speed}, ${checked}${finite ? '' : ', holds infinities or NaN'}`;
}

/** What the summary needs of a product's result, as the wire gives it. */
interface MatmulResult {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: string;
  readonly seconds: { readonly multiply: number };
  readonly gflops: number;
  readonly kernel: string;
  readonly check:
    | { readonly status: 'passed'; readonly residual: number; readonly bound: number }
    | { readonly status: 'not checked'; readonly reason: string };
  readonly finite: boolean;
}

/** What a server that only simulates its work gives instead. */
interface SimulatedResult {
  readonly simulated: true;
  readonly rows: number;
  readonly cols: number;
  readonly seconds: { readonly total: number };
}

/** True where there is no product to fetch. */
export function isSimulated(result: unknown): result is SimulatedResult {
  if (typeof result !== 'object' || result === null) return false;
  const { simulated, seconds } = result as Partial<SimulatedResult>;
  return simulated === true && typeof seconds?.total === 'number';
}

function isMatmulResult(result: unknown): result is MatmulResult {
  return typeof result === 'object' && result !== null && 'gflops' in result && 'check' in result;
}
