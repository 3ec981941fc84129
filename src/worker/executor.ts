/**
 * One executor: a warm child process that runs one job at a time, and may hold others that wait for their turn. Heavy
 * work happens there, so that this process can always renew its leases. A child that does not end a job in time when
 * it is told to is killed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import type { CancelTimer, Clock } from '../clock.js';
import type { Failure } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { MiB } from '../jobs/limits.js';
import type { FromExecutor, RunMessage, RunReport, RunRequest, ToExecutor } from './protocol.js';
import { memoryInterval, residentMemory } from './resident-memory.js';
import { pass, type Runner, type RunObserver, type RunOutcome } from './runner.js';

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

/** A run from the asking until the child has said how it ended, or is gone. */
interface Run {
  readonly number: number;
  /** The job's id. */
  readonly job: string;
  readonly observer: RunObserver;
  readonly resolve: (outcome: RunOutcome) => void;
  /** Its outcome was told: what the child still says of it is not asked for. */
  told: boolean;
  peakMemory: number;
}

/** A child that holds more than this share of its limit after a job is replaced, so that the next starts afresh. */
const keepShare = 0.25;
/** What a child may always hold: that much it takes by itself once it has multiplied. */
const keepAlways = 160 * MiB;

export class Executor implements Runner {
  readonly queues = true;
  readonly #options: ExecutorOptions;
  readonly #child: ChildProcess | undefined;
  #alive = false;
  #ready = false;
  #stopped = false;
  /** In the order of their turns: the first one runs. */
  readonly #runs = new Map<number, Run>();
  #numbers = 0;
  /** What goes to the child at the end of this turn of the event loop, as one message. */
  #unsent: RunMessage[] = [];
  /** Its memory when it was last measured, and when that was. */
  #held = 0;
  #measuredAt = -Infinity;
  #tooLarge: Failure | undefined;
  #cancelMeasuring: CancelTimer | undefined;
  #cancelGrace: CancelTimer | undefined;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    const name = options.clock.id();
    try {
      this.#child = fork(options.script, [...options.args(name)], { serialization: 'json' });
    } catch {
      return; // no memory for a process: the next run says so
    }
    this.#alive = this.#child.pid !== undefined;
    this.#child.on('message', (message) => this.#take(message as FromExecutor | null));
    this.#child.on('error', () => undefined); // a failed send or spawn is followed by 'exit' or found at the next run
    this.#child.on('exit', (code, signal) => {
      this.#alive = false;
      options.onGone(name);
      this.#endAll(signal ? `was killed by ${signal}` : `ended with exit code ${code}`);
    });
    if (this.#child.pid !== undefined) lowerPriority(this.#child.pid);
  }

  /** False once the child has ended, was told to stop a job, or was too large at the end of one. */
  get usable(): boolean {
    return this.#alive && !this.#stopped && !this.#bloated;
  }

  get view(): NonNullable<Runner['view']> {
    const job = this.#current()?.job;
    return { pid: this.#pid, ...(job !== undefined && { job }), memory: this.#memory() };
  }

  setThreads(threads: number): void {
    this.#sendRuns(); // which carry an older number: the latest must come last
    this.#send({ kind: 'threads', threads });
  }

  run(request: RunRequest, observer: RunObserver): Promise<RunOutcome> {
    return new Promise((resolve) => {
      const number = ++this.#numbers;
      const run: Run = { number, job: request.jobId, observer, resolve, told: false, peakMemory: 0 };
      this.#runs.set(run.number, run);
      if (!this.#alive) {
        this.#endAll('could not be started');
        return;
      }
      if (this.#unsent.length === 0) setImmediate(() => this.#sendRuns());
      this.#unsent.push({ run: run.number, ...request });
      if (this.#current() === run) this.#begin(run);
      observer.stop.listen(() => this.#stop(run));
    });
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

  /** The run whose turn it is. */
  #current(): Run | undefined {
    for (const run of this.#runs.values()) return run;
    return undefined;
  }

  #memory(): number {
    return this.#alive ? residentMemory(this.#pid) : 0;
  }

  #begin(run: Run): void {
    this.#cancelMeasuring ??= this.#options.clock.every(memoryInterval, () => this.#measure());
    if (run.told) this.#killLater();
    else run.observer.onStart();
  }

  /** At the end of each of many short jobs it would be most of what they cost, so it is done by time. */
  #measure(): void {
    const { clock, memoryLimit } = this.#options;
    const now = clock.monotonic();
    if (now - this.#measuredAt >= memoryInterval / 2) {
      this.#measuredAt = now;
      this.#held = this.#memory();
    }
    const run = this.#current();
    if (run) run.peakMemory = Math.max(run.peakMemory, this.#held);
    if (this.#held <= memoryLimit || this.#tooLarge) return;
    this.#tooLarge = outOfMemory(this.#held, memoryLimit);
    this.#kill();
  }

  /** The child gets its grace for the run whose turn it is; those that wait go back at once. */
  #stop(run: Run): void {
    const isCurrent = run === this.#current();
    this.#giveUp(run, { told: !isCurrent });
    if (!isCurrent) return;
    this.#stopped = true;
    for (const other of this.#runs.values()) if (other !== run) this.#giveUp(other, { told: true });
    this.#killLater();
  }

  #giveUp(run: Run, { told }: { told: boolean }): void {
    const place = this.#unsent.findIndex((message) => message.run === run.number);
    if (told) this.#tell(run, { kind: 'returned' });
    if (told && place >= 0) {
      this.#unsent.splice(place, 1);
      this.#runs.delete(run.number);
      return;
    }
    this.#sendRuns();
    this.#send({ kind: 'stop', run: run.number, reason: run.observer.stop.reason ?? 'drain' });
  }

  #killLater(): void {
    const { clock, graceMs } = this.#options;
    this.#cancelGrace ??= clock.after(graceMs, () => this.#kill());
  }

  #kill(): void {
    this.#stopped = true; // until it is gone it must get no job
    this.#child?.kill('SIGKILL');
  }

  #take(message: FromExecutor | null): void {
    if (message === null) return; // no word of ours: a task may use the channel too
    if (message.kind === 'ready') {
      this.#ready = true;
      return;
    }
    const run = this.#runs.get(message.run);
    if (run) this.#hear(run, message);
  }

  #hear(run: Run, report: RunReport): void {
    if (report.kind === 'progress' || report.kind === 'output' || report.kind === 'log') {
      if (!run.told) pass(report, run.observer);
      return;
    }
    const wasCurrent = run === this.#current();
    if (wasCurrent) this.#measure();
    this.#runs.delete(run.number);
    this.#tell(
      run,
      report.kind === 'dropped' ? { kind: 'returned' } : { ...report, peakMemory: run.peakMemory },
    );
    if (!wasCurrent) return;
    this.#cancelGrace?.();
    this.#cancelGrace = undefined;
    const next = this.#current();
    if (next) this.#begin(next);
    else this.#rest();
  }

  #tell(run: Run, outcome: RunOutcome): void {
    if (run.told) return;
    run.told = true;
    run.observer.stop.listen(undefined);
    run.resolve(outcome);
  }

  /** The child is gone: whose turn it was has failed by it, and the others never began. */
  #endAll(how: string): void {
    const failure = this.#tooLarge ?? {
      code: 'executor-crashed',
      message: `the executor ${how}`,
      permanent: false,
    };
    const runs = [...this.#runs.values()];
    this.#runs.clear();
    this.#unsent = [];
    this.#cancelGrace?.();
    this.#rest();
    runs.forEach((run, place) => {
      const { peakMemory } = run;
      if (place > 0) this.#tell(run, { kind: 'returned' });
      else this.#tell(run, { kind: this.#ready ? 'failed' : 'not-started', failure, peakMemory });
    });
  }

  #rest(): void {
    this.#cancelMeasuring?.();
    this.#cancelMeasuring = undefined;
  }

  #sendRuns(): void {
    const runs = this.#unsent;
    this.#unsent = [];
    if (runs.length > 0) this.#send({ kind: 'run', runs });
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

/** To the least: with as many executors as cores, what answers requests would else wait behind them for whole slices. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // Not allowed here: the job then competes with the server, and is no less correct.
  }
}
