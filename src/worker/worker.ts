/**
 * The worker: claims jobs for its free slots, keeps their leases alive, and stops them when they are
 * cancelled, run out of time or lose their lease. Stopping it drains: unfinished jobs go back uncounted.
 */
import type { CancelTimer, Clock } from '../clock.js';
import type { Worker as WorkerView } from '../contract/worker.js';
import type { EndedAttempt, Engine, Job, Lease } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import type { TaskLog } from '../tasks/task.js';
import { Attempt } from './attempt.js';
import { RunnerPool } from './runner-pool.js';
import type { Runner } from './runner.js';

export interface WorkerOptions {
  readonly id: string;
  readonly types: readonly string[];
  /** Runners at the start; see `resize`. */
  readonly slots: number;
  readonly cores: number;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly drainGraceMs: number;
  readonly createRunner: () => Runner;
}

/** An attempt that ran, and how it ended. */
export interface EndedRun {
  /** The job's id. */
  readonly job: string;
  readonly attempt: number;
  readonly type: string;
  readonly outcome: EndedAttempt['outcome'];
  readonly seconds: number;
}

/** How often changed progress is passed on, in ms. */
const progressMs = 250;
/** A claim that found nothing is asked anew after this long, which shows that the loop lives. */
const turnMs = 5_000;
/** Without a turn of the loop for this long the worker counts as stuck. */
const stuckMs = 30_000;
const errorPauseMs = 1_000;
/** Jobs that take less on average are leased ahead, in ms: about as many as a slot runs in half of it. */
const shortMs = 100;
/** At most so many for each slot, and in all. */
const mostAhead = { slot: 64, all: 512 };
/** Ends of attempts are gathered for so long, in ms, while at least so many jobs wait here. */
const gather = { ms: 5, from: 16 };
/** A job that was leased ahead and has waited so long goes back, uncounted. */
const surplusMs = 1_000;
const tooManyFailedStarts = 5;

export class Worker {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #jobLog: (job: Job) => TaskLog;
  readonly #onRun: (run: EndedRun) => void;
  readonly #options: WorkerOptions;
  readonly #pool: RunnerPool;
  /** Not by job: one that lost its lease may be leased again here while its older attempt still ends. */
  readonly #running = new Map<Attempt, Promise<void>>();
  readonly #stopping = new AbortController();
  /** Cancelled during a claim: the event may come before the lease does. */
  readonly #cancelledEarly = new Set<string>();
  #timers: CancelTimer[] = [];
  #loop: Promise<void> | undefined;
  #turnedAt = 0;
  #renewedAt = 0;
  /** A running mean of how long attempts took, in ms; unknown counts as not short. */
  #usualMs = shortMs;
  /** When the ends of attempts are written that are being gathered. */
  #nextWrite: Promise<void> | undefined;
  /** An attempt runs that is not short, whatever is usual. */
  #longRun = false;
  /** Runners in a row that died before they could take a job. */
  #failedStarts = 0;
  #slotFreed: (() => void) | undefined;
  /** Ends the claim or wait under way. */
  #endTurn: () => void = () => undefined;

  constructor(params: {
    engine: Engine;
    clock: Clock;
    log: TaskLog;
    jobLog: (job: Job) => TaskLog;
    /** Told of every attempt that ran. */
    onRun?: (run: EndedRun) => void;
    options: WorkerOptions;
  }) {
    this.#engine = params.engine;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#jobLog = params.jobLog;
    this.#onRun = params.onRun ?? (() => undefined);
    this.#options = params.options;
    this.#pool = new RunnerPool({
      size: params.options.slots,
      cores: params.options.cores,
      create: params.options.createRunner,
      onFreed: () => {
        if (this.#wantsMore) this.#slotFreed?.();
      },
    });
  }

  start(): void {
    if (this.#loop) return;
    this.#pool.start();
    this.#timers = [
      this.#clock.every(progressMs, () => void this.#heartbeat()),
      this.#engine.subscribe((event) => {
        if (event.status !== 'cancelled') return;
        const attempts = [...this.#running.keys()].filter(({ lease }) => lease.job.id === event.id);
        for (const attempt of attempts) attempt.stop('cancelled');
        if (attempts.length === 0) this.#cancelledEarly.add(event.id);
      }),
    ];
    this.#loop = this.#consume();
  }

  /** Stops claiming, waits for the drain grace, hands back what is unfinished. Idempotent. */
  async stop(options: { graceMs?: number } = {}): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    const graceMs = options.graceMs ?? this.#options.drainGraceMs;
    const cancelGrace = this.#clock.after(graceMs, () => {
      for (const attempt of this.#running.keys()) attempt.stop('drain');
    });
    await Promise.all(this.#running.values());
    cancelGrace();
    for (const cancel of this.#timers.splice(0)) cancel();
    await this.#pool.close();
  }

  get slots(): number {
    return this.#pool.size;
  }

  get busy(): number {
    return this.#pool.busy;
  }

  /** Starts or ends runners. A busy one is never ended: it finishes its job first. */
  resize(slots: number): void {
    if (slots === this.#pool.size) return;
    this.#pool.resize(slots);
    this.#endTurn(); // what is being claimed is for another number of slots
  }

  /** False where the consume loop has not turned for so long that it must be stuck, or runners do not start. */
  get healthy(): boolean {
    return this.#clock.monotonic() - this.#turnedAt < stuckMs && this.#failedStarts < tooManyFailedStarts;
  }

  /** As it is by itself; whose it is, its process says. */
  info(): Omit<WorkerView, 'process' | 'host' | 'pool'> {
    return {
      id: this.#options.id,
      pid: process.pid,
      types: [...this.#options.types],
      slots: this.#pool.size,
      busy: this.#pool.busy,
      executors: this.#pool.all.flatMap(({ view }) => view ?? []),
    };
  }

  async #consume(): Promise<void> {
    const { signal } = this.#stopping;
    this.#turnedAt = this.#clock.monotonic();
    while (!signal.aborted) {
      const turn = new AbortController();
      const endTurn = (this.#endTurn = () => turn.abort());
      const cancelTurn = this.#clock.after(turnMs, endTurn);
      signal.addEventListener('abort', endTurn, { once: true });
      try {
        if (!this.#wantsMore) await this.#slotFree(turn.signal);
        else {
          this.#pool.depth = 1 + Math.ceil(this.#ahead / this.#pool.size);
          for (const lease of await this.#claim(turn.signal)) this.#begin(lease);
        }
        this.#cancelledEarly.clear();
        this.#turnedAt = this.#clock.monotonic();
        if (this.#failedStarts > 0) await this.#clock.sleep(errorPauseMs * this.#failedStarts);
      } catch (error) {
        this.#log.warn('jobs could not be claimed', { error: String(error) });
        await this.#clock.sleep(errorPauseMs);
        if (!(error instanceof DrayError && error.code === 'unavailable'))
          this.#turnedAt = this.#clock.monotonic();
      } finally {
        cancelTurn();
        signal.removeEventListener('abort', endTurn);
      }
    }
  }

  /**
   * While jobs are short, some wait here besides those that run, so that no runner idles while the store answers
   * and one answer serves many; behind long ones nothing is parked.
   */
  get #ahead(): number {
    if (this.#usualMs >= shortMs || this.#longRun) return 0;
    const each = Math.min(mostAhead.slot, Math.ceil(shortMs / 2 / this.#usualMs));
    return Math.min(mostAhead.all, this.#pool.size * each);
  }

  /** How many jobs to lease now. */
  get #wanted(): number {
    return this.#pool.size + this.#ahead - this.#pool.busy - this.#pool.waiting;
  }

  /** Jobs that wait here are filled up when half of them are gone, not one by one. */
  get #wantsMore(): boolean {
    return this.#wanted > 0 && this.#pool.waiting <= this.#ahead / 2;
  }

  #claim(signal: AbortSignal): Promise<readonly Lease[]> {
    const { id, types, leaseMs } = this.#options;
    const max = this.#wanted;
    const ahead = Math.max(0, max - Math.max(0, this.#pool.size - this.#pool.busy));
    return this.#engine.claim({ worker: id, types, max, ahead, leaseMs, signal });
  }

  #begin(lease: Lease): void {
    const attempt = new Attempt({
      lease,
      engine: this.#engine,
      clock: this.#clock,
      log: () => this.#jobLog(lease.job),
    });
    const ended = attempt
      .run(this.#pool, () => this.#mayWrite())
      .then((kind) => {
        // One that never began says nothing of the runners: it may have waited in the very one that did not start.
        if (kind === 'not-started')
          this.#failedStarts = Math.min(this.#failedStarts + 1, tooManyFailedStarts);
        else if (kind !== 'returned') this.#failedStarts = 0;
        this.#running.delete(attempt);
        if (kind === 'not-started' || attempt.ranMs === 0) return;
        this.#usualMs += (attempt.ranMs - this.#usualMs) / 8;
        const { id, type, attempt: number } = lease.job;
        this.#onRun({
          job: id,
          type,
          attempt: number,
          outcome: attempt.outcome,
          seconds: attempt.ranMs / 1000,
        });
      });
    this.#running.set(attempt, ended);
    if (this.#cancelledEarly.has(lease.job.id)) attempt.stop('cancelled');
    if (this.#stopping.signal.aborted) attempt.stop('drain'); // leased at the very moment of stopping
  }

  /** While many jobs wait here nobody waits for one result: then the store gets many at a time. */
  #mayWrite(): Promise<void> | undefined {
    if (this.#pool.waiting < gather.from) return undefined;
    return (this.#nextWrite ??= this.#clock.sleep(gather.ms).then(() => (this.#nextWrite = undefined)));
  }

  async #slotFree(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#slotFreed = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#slotFreed = undefined;
  }

  /** Renews all leases when a heartbeat is due, and in between those that have something to tell. */
  async #heartbeat(): Promise<void> {
    this.#longRun = [...this.#running.keys()].some(({ ranMs }) => ranMs >= surplusMs);
    for (const attempt of this.#running.keys()) if (attempt.waitedMs > surplusMs) attempt.stop('surplus');
    const due = this.#clock.monotonic() - this.#renewedAt >= this.#options.heartbeatMs - progressMs / 2;
    const attempts = [...this.#running.keys()].filter((attempt) => due || attempt.hasNews);
    if (due) this.#renewedAt = this.#clock.monotonic();
    if (attempts.length === 0) return;
    const news = attempts.map((attempt) => attempt.takeNews());
    try {
      const outcomes = await this.#engine.heartbeat({
        leaseMs: this.#options.leaseMs,
        leases: attempts.map(({ lease: { job, token } }, i) => ({ id: job.id, token, ...news[i] })),
      });
      outcomes.forEach((outcome, i) => {
        if (outcome !== 'applied') attempts[i]!.stop('lease-lost');
      });
    } catch (error) {
      attempts.forEach((attempt, i) => attempt.returnNews(news[i]!));
      this.#renewedAt = 0; // at the next tick, not only when the next heartbeat is due
      this.#log.warn('leases could not be renewed', { error: String(error) });
    }
  }
}
