/**
 * One executor: a warm child process that runs one job at a time. Heavy work happens there, so that this
 * process can always renew its leases; whatever happens to the child is told as an outcome, never thrown.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import type { CancelTimer, Clock } from '../clock.js';
import type { Failure, Progress } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import type { Payload } from '../jobs/payload.js';
import type { TaskLog } from '../tasks/task.js';
import type { FromExecutor, RunMessage, ToExecutor } from './protocol.js';
import { residentMemory } from './resident-memory.js';

export interface ExecutorOptions {
  /** The script that the child runs, and its arguments. */
  readonly script: URL;
  readonly args: readonly string[];
  /** Bytes; above it the child is killed. */
  readonly memoryLimit: number;
  /** How long an aborted run may take to end by itself, in ms. */
  readonly graceMs: number;
  readonly clock: Clock;
}

export type RunOutcome = { readonly peakMemory: number } & (
  { readonly kind: 'done'; readonly result: Payload } | { readonly kind: 'failed'; readonly failure: Failure }
);

/** How often the child's memory is read, in ms. */
const memoryInterval = 50;
/** A child that holds more than this share of its limit after a job is replaced, so that the next starts afresh. */
const keepShare = 0.25;

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #child: ChildProcess;
  #alive = true;
  #stopped = false;
  #job: string | undefined;
  #onMessage: ((message: FromExecutor) => void) | undefined;
  #onExit: ((how: string) => void) | undefined;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#child = fork(options.script, [...options.args], { serialization: 'json' });
    this.#child.on('message', (message) => this.#onMessage?.(message as FromExecutor));
    this.#child.on('error', () => undefined); // a failed send or spawn is followed by 'exit' or found at the next run
    this.#child.on('exit', (code, signal) => {
      this.#alive = false;
      this.#onExit?.(signal ? `killed by ${signal}` : `ended with exit code ${code}`);
    });
    if (this.#child.pid === undefined) this.#alive = false;
    else lowerPriority(this.#child.pid);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get job(): string | undefined {
    return this.#job;
  }

  /** False where the next job should get a fresh child: this one ended, was told to stop a job, or is large. */
  get usable(): boolean {
    return this.#alive && !this.#stopped && this.memory() < keepShare * this.#options.memoryLimit;
  }

  memory(): number {
    return this.#alive ? residentMemory(this.pid) : 0;
  }

  setThreads(threads: number): void {
    this.#send({ kind: 'threads', threads });
  }

  /** Runs one attempt. Once the signal aborts, the child has the grace period to end; then it is killed. */
  async run(
    run: Omit<RunMessage, 'kind'>,
    observe: { signal: AbortSignal; onProgress: (progress: Progress) => void; log: TaskLog },
  ): Promise<RunOutcome> {
    const { clock, memoryLimit, graceMs } = this.#options;
    const timers: CancelTimer[] = [];
    let peakMemory = 0;
    let killedFor: DrayError | undefined;
    this.#job = run.jobId;
    try {
      return await new Promise<RunOutcome>((resolve) => {
        const fail = (failure: Failure) => resolve({ kind: 'failed', failure, peakMemory });
        const measure = () => {
          const held = this.memory();
          peakMemory = Math.max(peakMemory, held);
          if (held <= memoryLimit || killedFor) return;
          const MiB = 1024 * 1024;
          killedFor = new DrayError(
            'out-of-memory',
            `the executor used ${Math.round(held / MiB)} MiB, its limit is ${Math.round(memoryLimit / MiB)} MiB`,
          );
          this.kill();
        };
        this.#onExit = (how) =>
          fail(
            killedFor
              ? asFailure(killedFor)
              : { code: 'executor-crashed', message: `the executor was ${how}`, permanent: false },
          );
        this.#onMessage = (message) => {
          if (message.kind === 'progress') observe.onProgress(message.progress);
          else if (message.kind === 'log')
            observe.log[message.level](message.message, { ...message.details });
          else {
            measure();
            resolve({ ...message, peakMemory });
          }
        };
        const abort = () => {
          this.#stopped = true;
          this.#send({ kind: 'abort', reason: String(observe.signal.reason) });
          timers.push(clock.after(graceMs, () => this.kill()));
        };
        timers.push(clock.every(memoryInterval, measure));
        if (!this.#alive) {
          this.#onExit('gone before the job began');
          return;
        }
        this.#send({ kind: 'run', ...run });
        if (observe.signal.aborted) abort();
        else observe.signal.addEventListener('abort', abort, { once: true });
        timers.push(() => observe.signal.removeEventListener('abort', abort));
      });
    } finally {
      for (const cancel of timers) cancel();
      this.#onMessage = this.#onExit = this.#job = undefined;
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Resolves once the child is gone. */
  async close(): Promise<void> {
    if (!this.#alive) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.kill();
    await gone;
  }

  #send(message: ToExecutor): void {
    if (this.#child.connected) this.#child.send(message, () => undefined); // a broken channel shows as 'exit'
  }
}

export function asFailure(error: DrayError): Failure {
  return { code: error.code, message: error.message, permanent: error.permanent };
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Not allowed here: the job then competes with the server, and is no less correct.
  }
}
