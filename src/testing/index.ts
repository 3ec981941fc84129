/** `dray/testing`: runs a task without a server, by the rules that a server would hold it to. docs/tasks.md. */
import type { Static, TSchema } from 'typebox';
import { loadPayload } from '../blobs/payload.js';
import { systemClock } from '../clock.js';
import { leases } from '../jobs/limits.js';
import { admit } from '../tasks/admission.js';
import { TaskRegistry } from '../tasks/registry.js';
import { stopped, type StopReason } from '../tasks/stopped.js';
import type { Task } from '../tasks/task.js';
import { MemoryBlobs } from './memory-blobs.js';
import { taskContext, type RecordedLog, type RecordedProgress } from './task-context.js';

export { MemoryBlobs } from './memory-blobs.js';
export type { RecordedLog, RecordedProgress } from './task-context.js';

export interface RunOptions {
  /** With the blobs that the input names; by default an empty store. It is there for a look after a failure too. */
  readonly blobs?: MemoryBlobs;
  /** Which attempt the task is to see, 1 by default. */
  readonly attempt?: number;
  /** Aborts the attempt, as a cancel or a timeout would. */
  readonly signal?: AbortSignal;
  /** Why the attempt is told that it is stopped, `cancelled` by default. */
  readonly stopReason?: StopReason;
  /** Bytes that the task is told it may use, 1 GiB by default; nothing watches them here. */
  readonly memoryLimit?: number;
  /** Called as the task reports progress: a moment to abort at, for instance. */
  readonly onProgress?: (fraction: number, message?: string) => void;
}

export interface TaskRun<O> {
  /** As a client would get it: what JSON has no word for is gone. */
  readonly output: O;
  readonly progress: readonly RecordedProgress[];
  readonly logs: readonly RecordedLog[];
  /** What the task gave to `output` of its context, as one text. */
  readonly printed: string;
  readonly blobs: MemoryBlobs;
}

/**
 * Runs one attempt of the task in this process. The input goes the way of a submission: through JSON, the schema and
 * the task's own `admit`.
 *
 * @throws DrayError `invalid-request` where the input is refused, and `invalid-output` where the output does not fit
 * its schema, both with the path; else what the task throws. Error where it goes on for 2 s after the signal aborted:
 * a worker would give it up then.
 */
export async function runTask<I extends TSchema, O extends TSchema>(
  task: Task<I, O>,
  input: Static<I>,
  options: RunOptions = {},
): Promise<TaskRun<Static<O>>> {
  const { type } = task;
  const blobs = options.blobs ?? new MemoryBlobs();
  const tasks = new TaskRegistry([task]);
  const job = await admit({ type, input: throughJson(input) }, { tasks, blobs, clock: systemClock });
  const context = taskContext({ ...options, blobs });
  const admitted = (await loadPayload(blobs, job.input)) as Static<I>;
  const output = await abortable(options, context.controller, () => task.run(admitted, context));
  tasks.checkOutput(type, output);
  return {
    output: throughJson(output) as Static<O>,
    progress: context.reported,
    logs: context.logged,
    printed: context.printed.join(''),
    blobs,
  };
}

async function abortable<T>(
  { signal, stopReason = 'cancelled' }: Pick<RunOptions, 'signal' | 'stopReason'>,
  controller: AbortController,
  run: () => T | Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  const givenUp = new Promise<never>((_resolve, reject) => {
    const abort = (): void => {
      controller.abort(stopped(stopReason));
      const message = `the task went on for ${leases.cancelGrace} ms after its signal had aborted`;
      const cancelTimer = systemClock.after(leases.cancelGrace, () => reject(new Error(message)));
      ended.signal.addEventListener('abort', cancelTimer);
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true, signal: ended.signal });
  });
  try {
    return await Promise.race([run(), givenUp]);
  } finally {
    ended.abort();
  }
}

function throughJson(value: unknown): unknown {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? null : JSON.parse(text);
}
