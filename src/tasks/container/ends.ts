/** What the end of a container means to its job where it has failed for good. */
import { PermanentError } from '../task.js';
import { containerTimeoutMs } from './input.js';
import type { ContainerLog } from './log.js';
import type { ContainerJob } from './rules.js';
import type { ContainerEnd } from './runtime.js';

type Reason = Exclude<ContainerEnd['reason'], 'lost'>;

const codes = {
  exited: 'container-failed',
  'out-of-memory': 'container-out-of-memory',
  deadline: 'container-deadline',
  image: 'container-image',
} as const satisfies Record<Reason, string>;

/** @returns the error to throw; its details name the log's blob, which is made by this. */
export async function failureOf(params: {
  reason: Reason;
  end: ContainerEnd;
  job: ContainerJob;
  name: string;
  log: ContainerLog;
}): Promise<PermanentError> {
  const { reason, end, job, name, log } = params;
  const { exitCode, message } = end;
  const durationMs = durationOf(end);
  const what = {
    exited: exitCode === undefined ? `failed: ${message}` : `ended with exit code ${exitCode}`,
    'out-of-memory': `took more than its ${job.memory} bytes of memory`,
    deadline: `took longer than its ${containerTimeoutMs(job) / 1_000} s`,
    image: `could not be started from ${job.image}: ${message}`,
  }[reason];
  return new PermanentError(`the container ${name} ${what}`, {
    code: codes[reason],
    details: {
      name,
      reason,
      ...(exitCode !== undefined && { exitCode }),
      ...(durationMs !== undefined && { durationMs }),
      ...(!log.empty && { log: { blob: await log.close() } }),
    },
  });
}

/** In ms; undefined where it never ran. */
export function durationOf({ startedAt, finishedAt }: ContainerEnd): number | undefined {
  return startedAt === undefined ? undefined : Math.max(0, finishedAt - startedAt);
}
