/**
 * The executor's side: takes one run at a time from the channel, runs its task and says how it ended. This is
 * the whole program of the child process; compose/executor.ts gives it the tasks and the blob store.
 */
import type { BlobStore } from '../blobs/blob-store.js';
import { loadPayload, storePayload } from '../blobs/payload.js';
import type { Clock } from '../clock.js';
import type { Failure, Progress } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { blobsOf } from '../jobs/payload.js';
import type { TaskRegistry } from '../tasks/registry.js';
import { PermanentError, type TaskContext } from '../tasks/task.js';
import type { FromExecutor, RunMessage, RunReport, ToExecutor } from './protocol.js';

export interface ExecutorProgram {
  readonly channel: {
    onMessage(listener: (message: ToExecutor) => void): void;
    send(message: FromExecutor): void;
  };
  readonly tasks: TaskRegistry;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly memoryLimit: number;
}

/** Progress is passed on at most this often, in ms, and not at all by a job that takes less. */
const progressMs = 100;
const longestMessage = 4_000;
const longestProgressMessage = 200;

export function serveExecutor(program: ExecutorProgram): void {
  let abort = new AbortController();
  let threads = 1;
  program.channel.onMessage((message) => {
    switch (message.kind) {
      case 'run':
        abort = new AbortController();
        threads = message.threads;
        void runOne(program, message, { signal: abort.signal, threads: () => threads });
        break;
      case 'abort':
        abort.abort(message.reason);
        break;
      case 'threads':
        threads = message.threads;
        break;
    }
  });
  program.channel.send({ kind: 'ready' });
}

async function runOne(
  { channel, tasks, blobs, clock, memoryLimit }: ExecutorProgram,
  message: RunMessage,
  control: { signal: AbortSignal; threads: () => number },
): Promise<void> {
  const report = (content: RunReport) => channel.send({ ...content, run: message.run });
  const log = (level: 'info' | 'warn') => (text: string, details?: object) =>
    report({ kind: 'log', level, message: text.slice(0, longestMessage), ...(details && { details }) });
  const progress = new ProgressReport(clock, (latest) => report({ kind: 'progress', progress: latest }));
  const context: TaskContext = {
    jobId: message.jobId,
    attempt: message.attempt,
    signal: control.signal,
    blobs,
    memoryLimit,
    threads: control.threads,
    progress: (fraction, text) =>
      progress.set({
        fraction: Math.min(1, Math.max(0, fraction)),
        ...(text === undefined ? {} : { message: text.slice(0, longestProgressMessage) }),
      }),
    log: { info: log('info'), warn: log('warn') },
  };
  try {
    const input = await loadPayload(blobs, message.input);
    const output = await tasks.get(message.type).run(input, context);
    tasks.checkOutput(message.type, output);
    const named = blobsOf(output, 'output');
    const result = await storePayload(blobs, output, 'output');
    progress.end();
    report({ kind: 'done', result, blobs: 'blob' in result ? [...named, result.blob] : named });
  } catch (error) {
    progress.end();
    report({ kind: 'failed', failure: describe(error) });
  }
}

/** Passes the latest progress on, at most every `progressMs`. */
class ProgressReport {
  readonly #clock: Clock;
  readonly #send: (progress: Progress) => void;
  #sentAt: number;
  #waiting: Progress | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, send: (progress: Progress) => void) {
    this.#clock = clock;
    this.#send = send;
    this.#sentAt = clock.monotonic();
  }

  set(progress: Progress): void {
    this.#waiting = progress;
    if (this.#cancelTimer) return;
    const pause = this.#sentAt + progressMs - this.#clock.monotonic();
    if (pause <= 0) this.#flush();
    else this.#cancelTimer = this.#clock.after(pause, () => this.#flush());
  }

  end(): void {
    this.#cancelTimer?.();
  }

  #flush(): void {
    this.#cancelTimer = undefined;
    this.#sentAt = this.#clock.monotonic();
    if (this.#waiting) this.#send(this.#waiting);
    this.#waiting = undefined;
  }
}

function describe(error: unknown): Failure {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, longestMessage);
  if (error instanceof PermanentError) return { code: error.code, message, permanent: true };
  if (error instanceof DrayError) return { code: error.code, message, permanent: error.permanent };
  return { code: 'task-failed', message, permanent: false };
}
