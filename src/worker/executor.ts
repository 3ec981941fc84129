/**
 * One executor: a warm child process that runs one job at a time. Heavy work happens there, so that this
 * process can always renew its leases. A child that does not end in time when it is told to is killed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import type { CancelTimer, Clock } from '../clock.js';
import type { Failure } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { MiB } from '../jobs/limits.js';
import type { FromExecutor, RunReport, RunRequest, ToExecutor } from './protocol.js';
import { memoryInterval, residentMemory } from './resident-memory.js';
import type { Runner, RunObserver, RunOutcome } from './runner.js';

export interface ExecutorOptions {
  /** The script that the child runs. */
  readonly script: URL;
  /** Its arguments, made from the name of the executor. */
  readonly args: (name: string) => readonly string[];
  /** Called when the child is gone, to clear away what it left under its name. */
  readonly onGone: (name: string) => void;
  /** Bytes; above it the child is killed. */
  readonly memoryLimit: number;
  /** How long an aborted run may take to end by itself, in ms. */
  readonly graceMs: number;
  readonly clock: Clock;
}

/** A child that holds more than this share of its limit after a job is replaced, so that the next starts afresh. */
const keepShare = 0.25;
/** What a child may always hold: that much it takes by itself once it has multiplied. */
const keepAlways = 160 * MiB;

export class Executor implements Runner {
  readonly #options: ExecutorOptions;
  readonly #child: ChildProcess | undefined;
  #alive = false;
  #ready = false;
  #stopped = false;
  #runs = 0;
  /** Its memory when it was last measured, and when that was. */
  #held = 0;
  #measuredAt = -Infinity;
  #job: string | undefined;
  #onReport: ((report: RunReport) => void) | undefined;
  #onExit: ((how: string) => void) | undefined;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    const name = options.clock.id();
    try {
      this.#child = fork(options.script, [...options.args(name)], { serialization: 'json' });
    } catch {
      return; // no memory for a process: the next run says so
    }
    this.#alive = this.#child.pid !== undefined;
    this.#child.on('message', (message) => this.#take(message as FromExecutor));
    this.#child.on('error', () => undefined); // a failed send or spawn is followed by 'exit' or found at the next run
    this.#child.on('exit', (code, signal) => {
      this.#alive = false;
      options.onGone(name);
      this.#onExit?.(signal ? `was killed by ${signal}` : `ended with exit code ${code}`);
    });
    if (this.#child.pid !== undefined) lowerPriority(this.#child.pid);
  }

  /** False once the child has ended, was told to stop a job, or was too large at the end of one. */
  get usable(): boolean {
    return this.#alive && !this.#stopped && !this.#bloated;
  }

  get view(): NonNullable<Runner['view']> {
    const job = this.#job;
    return { pid: this.#pid, ...(job !== undefined && { job }), memory: this.#memory() };
  }

  setThreads(threads: number): void {
    this.#send({ kind: 'threads', threads });
  }

  async run(job: RunRequest, observe: RunObserver): Promise<RunOutcome> {
    const { clock, memoryLimit, graceMs } = this.#options;
    const { signal } = observe;
    const timers: CancelTimer[] = [];
    let peakMemory = 0;
    let tooLarge: Failure | undefined;
    this.#job = job.jobId;
    this.#runs += 1;
    try {
      return await new Promise<RunOutcome>((resolve) => {
        const measure = () => {
          // At the end of each of many short jobs it would be most of what they cost.
          const now = clock.monotonic();
          if (now - this.#measuredAt >= memoryInterval / 2) {
            this.#measuredAt = now;
            this.#held = this.#memory();
          }
          const held = this.#held;
          peakMemory = Math.max(peakMemory, held);
          if (held <= memoryLimit || tooLarge) return;
          tooLarge = outOfMemory(held, memoryLimit);
          this.#kill();
        };
        const abort = () => {
          this.#stopped = true;
          this.#send({ kind: 'abort', reason: String(signal.reason) });
          timers.push(clock.after(graceMs, () => this.#kill()));
        };
        this.#onExit = (how) => {
          const crash = { code: 'executor-crashed', message: `the executor ${how}`, permanent: false };
          const kind = this.#ready ? 'failed' : 'not-started';
          resolve({ kind, failure: tooLarge ?? crash, peakMemory });
        };
        this.#onReport = (report) => {
          if (report.kind === 'progress') observe.onProgress(report.progress);
          else if (report.kind === 'log') observe.log()[report.level](report.message, report.details);
          else {
            measure();
            resolve({ ...report, peakMemory });
          }
        };
        if (!this.#alive) {
          this.#onExit('could not be started');
          return;
        }
        timers.push(clock.every(memoryInterval, measure));
        this.#send({ kind: 'run', run: this.#runs, ...job });
        if (signal.aborted) abort();
        else signal.addEventListener('abort', abort, { once: true });
        timers.push(() => signal.removeEventListener('abort', abort));
      });
    } finally {
      for (const cancel of timers) cancel();
      this.#onReport = this.#onExit = this.#job = undefined;
    }
  }

  async close(): Promise<void> {
    if (!this.#alive) return;
    const gone = new Promise((resolve) => this.#child?.once('exit', resolve));
    this.#kill();
    await gone;
  }

  get #pid(): number {
    return this.#child?.pid ?? 0;
  }

  get #bloated(): boolean {
    return this.#held > Math.max(keepAlways, keepShare * this.#options.memoryLimit);
  }

  #memory(): number {
    return this.#alive ? residentMemory(this.#pid) : 0;
  }

  #kill(): void {
    this.#stopped = true; // until it is gone it must get no job
    this.#child?.kill('SIGKILL');
  }

  #take(message: FromExecutor): void {
    if (message.kind === 'ready') this.#ready = true;
    else if (message.run === this.#runs) this.#onReport?.(message);
  }

  #send(message: ToExecutor): void {
    if (this.#child?.connected) this.#child.send(message, () => undefined); // a broken channel shows as 'exit'
  }
}

function outOfMemory(held: number, limit: number): Failure {
  const used = `the executor used ${Math.round(held / MiB)} MiB, its limit is ${Math.round(limit / MiB)} MiB`;
  const { code, message, permanent } = new DrayError('out-of-memory', used);
  return { code, message, permanent };
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Not allowed here: the job then competes with the server, and is no less correct.
  }
}
