/**
 * The executor's side: takes one run at a time from the channel, runs its task and says how it ended. This is
 * the whole program of the child process; compose/executor.ts gives it the tasks and the blob store.
 */
import type { BlobStore } from '../blobs/blob-store.js';
import { loadPayload, storePayload } from '../blobs/payload.js';
import type { Failure } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import type { TaskRegistry } from '../tasks/registry.js';
import { PermanentError, type TaskContext } from '../tasks/task.js';
import type { FromExecutor, RunMessage, ToExecutor } from './protocol.js';

export interface ExecutorChannel {
  onMessage(listener: (message: ToExecutor) => void): void;
  send(message: FromExecutor): void;
}

export function serveExecutor(params: {
  channel: ExecutorChannel;
  tasks: TaskRegistry;
  blobs: BlobStore;
  memoryLimit: number;
}): void {
  const { channel } = params;
  let abort = new AbortController();
  let threads = 1;
  channel.onMessage((message) => {
    switch (message.kind) {
      case 'run':
        abort = new AbortController();
        threads = message.threads;
        void runOne({ ...params, message, signal: abort.signal, threads: () => threads });
        break;
      case 'abort':
        abort.abort(message.reason);
        break;
      case 'threads':
        threads = message.threads;
        break;
    }
  });
}

async function runOne(params: {
  channel: ExecutorChannel;
  tasks: TaskRegistry;
  blobs: BlobStore;
  memoryLimit: number;
  message: RunMessage;
  signal: AbortSignal;
  threads: () => number;
}): Promise<void> {
  const { channel, tasks, blobs, message } = params;
  const context: TaskContext = {
    jobId: message.jobId,
    attempt: message.attempt,
    signal: params.signal,
    blobs,
    memoryLimit: params.memoryLimit,
    threads: params.threads,
    progress: (fraction, text) =>
      channel.send({
        kind: 'progress',
        progress: {
          fraction: Math.min(1, Math.max(0, fraction)),
          ...(text === undefined ? {} : { message: text.slice(0, 200) }),
        },
      }),
    log: {
      info: (text, details) =>
        channel.send({ kind: 'log', level: 'info', message: text, ...(details && { details }) }),
      warn: (text, details) =>
        channel.send({ kind: 'log', level: 'warn', message: text, ...(details && { details }) }),
    },
  };
  try {
    const input = await loadPayload(blobs, message.input);
    const output = await tasks.get(message.type).run(input, context);
    tasks.checkOutput(message.type, output);
    channel.send({ kind: 'done', result: await storePayload(blobs, output, 'output') });
  } catch (error) {
    channel.send({ kind: 'failed', failure: describe(error) });
  }
}

function describe(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof PermanentError) return { code: error.code, message, permanent: true };
  if (error instanceof DrayError) return { code: error.code, message, permanent: error.permanent };
  return { code: 'task-failed', message: message.slice(0, 4_000), permanent: false };
}
