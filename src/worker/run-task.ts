/** Runs one attempt of a task, whatever the process, and says how it ended. */
import { inspect } from 'node:util';
import type { BlobStore } from '../blobs/blob-store.js';
import { loadPayload, storePayload } from '../blobs/payload.js';
import type { Clock } from '../clock.js';
import type { Failure, Progress } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { limits } from '../jobs/limits.js';
import { blobsOf } from '../jobs/payload.js';
import type { TaskRegistry } from '../tasks/registry.js';
import { stopped } from '../tasks/stopped.js';
import { isPermanent, type TaskContext } from '../tasks/task.js';
import { AttemptBlobs } from './attempt-blobs.js';
import { LiveOutput } from './live-output.js';
import type { RunEnd, RunNews, RunRequest } from './protocol.js';
import type { Stop } from './runner.js';

/** What the process that runs tasks has for all of them. */
export interface TaskHost {
  readonly tasks: TaskRegistry;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly memoryLimit: number;
}

/** What one run has of its own. */
export interface RunControl {
  /** Asked for when the task first looks at it. */
  readonly signal: () => AbortSignal;
  readonly threads: () => number;
  readonly say: (news: RunNews) => void;
  /** Stops when nobody waits for the run any more: what it has not committed is forgotten then too. */
  readonly givenUp?: Stop;
}

/** Progress is passed on at most this often, in ms, and not at all by a job that takes less. */
const progressMs = 100;
const longestMessage = 4_000;
const longestProgressMessage = 200;
const longestCode = 64;

/** Never rejects. */
export async function runTask(host: TaskHost, request: RunRequest, control: RunControl): Promise<RunEnd> {
  const { tasks, blobs, clock, memoryLimit } = host;
  const { say } = control;
  const log = (level: 'info' | 'warn') => (text: string, details?: Record<string, unknown>) =>
    say({
      kind: 'log',
      level,
      message: text.slice(0, longestMessage),
      ...(details && { details: sayable(details) }),
    });
  const progress = new ProgressReport(clock, (latest) => say({ kind: 'progress', progress: latest }));
  const printed = new LiveOutput(clock, (text) => say({ kind: 'output', text }));
  const own = new AttemptBlobs(blobs);
  control.givenUp?.listen(() => void own.end());
  const context: TaskContext = {
    jobId: request.jobId,
    attempt: request.attempt,
    ...(request.previous && { previous: request.previous }),
    get signal() {
      return control.signal();
    },
    blobs: own,
    memoryLimit,
    threads: control.threads,
    progress: (fraction, text) =>
      progress.set({
        fraction: Math.min(1, Math.max(0, fraction)) || 0, // 0 / 0, of an empty input, is NaN
        ...(text === undefined ? {} : { message: text.slice(0, longestProgressMessage) }),
      }),
    output: (text) => printed.write(text),
    log: { info: log('info'), warn: log('warn') },
  };
  try {
    const input = await loadPayload(blobs, request.input);
    const output = await tasks.get(request.type).run(input, context);
    tasks.checkOutput(request.type, output);
    if (control.givenUp?.reason !== undefined) throw stopped(control.givenUp.reason);
    return await storeOutput(blobs, output);
  } catch (error) {
    return describe(error);
  } finally {
    progress.end();
    printed.end();
    await own.end();
  }
}

async function storeOutput(blobs: BlobStore, output: unknown): Promise<RunEnd> {
  try {
    const named = blobsOf(output, 'output');
    const result = await storePayload(blobs, output, 'output');
    return { kind: 'done', result, blobs: 'blob' in result ? [...named, result.blob] : named };
  } catch (error) {
    // What JSON says of a BigInt, and the stack of a value that holds itself.
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new DrayError('invalid-output', `output: cannot be written as JSON: ${error.message}`, {
      cause: error,
    });
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

/** What JSON cannot say, such as a BigInt or what holds itself, must not fail a task that only logs it. */
function sayable(details: Record<string, unknown>): Record<string, unknown> {
  try {
    JSON.stringify(details);
    return details;
  } catch {
    return { details: inspect(details) };
  }
}

/** A task may throw anything, an error whose message is no text too. */
function describe(error: unknown): RunEnd {
  try {
    const failure = failureOf(error);
    return isPermanent(error) ? withDetails(failure, error.details) : { kind: 'failed', failure };
  } catch {
    const message = 'the task threw what cannot be described';
    return { kind: 'failed', failure: { code: 'task-failed', message, permanent: false } };
  }
}

/** Details that cannot be kept are left out, and the message says so: the error itself is worth more. */
function withDetails(failure: Failure, given: unknown): RunEnd {
  if (given === undefined) return { kind: 'failed', failure };
  try {
    const json = JSON.stringify(given) as string | undefined;
    if (json?.startsWith('{') !== true) throw new TypeError('they are no JSON object');
    const size = Buffer.byteLength(json);
    if (size > limits.errorDetails) {
      throw new RangeError(`as JSON they have ${size} bytes, and ${limits.errorDetails} are kept`);
    }
    const details = JSON.parse(json) as Record<string, unknown>;
    return { kind: 'failed', failure: { ...failure, details }, blobs: blobsOf(details, 'details') };
  } catch (error) {
    const message = `${failure.message} (its details were left out: ${(error as Error).message})`;
    return { kind: 'failed', failure: { ...failure, message } };
  }
}

function failureOf(error: unknown): Failure {
  const given: unknown = error instanceof Error ? error.message : undefined;
  const text = typeof given === 'string' ? given : inspect(error);
  const message = text.slice(0, longestMessage);
  if (isPermanent(error)) return { code: String(error.code).slice(0, longestCode), message, permanent: true };
  if (error instanceof DrayError) return { code: error.code, message, permanent: error.permanent };
  return { code: 'task-failed', message, permanent: false };
}
