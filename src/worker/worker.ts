/**
 * The worker: claims jobs for its free slots, keeps their leases alive, and stops them when they are
 * cancelled, run out of time or lose their lease. Stopping it drains: unfinished jobs go back uncounted.
 */
import type { CancelTimer, Clock } from '../clock.js';
import type { Worker as WorkerView } from '../contract/worker.js';
import type { Engine, Job, Lease } from '../engine/engine.js';
import type { TaskLog } from '../tasks/task.js';
import { Attempt } from './attempt.js';
import { ExecutorPool } from './executor-pool.js';
import type { ExecutorOptions } from './executor.js';

export interface WorkerOptions {
  readonly id: string;
  readonly types: readonly string[];
  readonly slots: number;
  readonly cores: number;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly drainGraceMs: number;
  readonly executor: ExecutorOptions;
}

/** How often changed progress is passed on, in ms. */
const progressMs = 250;
/** A claim that found nothing is asked anew after this long, which shows that the loop lives. */
const turnMs = 5_000;
/** Without a turn of the loop for this long the worker counts as stuck. */
const stuckMs = 30_000;
const errorPauseMs = 1_000;

export class Worker {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #jobLog: (job: Job) => TaskLog;
  readonly #options: WorkerOptions;
  readonly #pool: ExecutorPool;
  readonly #running = new Map<string, { attempt: Attempt; ended: Promise<void> }>();
  readonly #stopping = new AbortController();
  #timers: CancelTimer[] = [];
  #loop: Promise<void> | undefined;
  #turnedAt = 0;
  #renewedAt = 0;
  #slotFreed: (() => void) | undefined;

  constructor(params: {
    engine: Engine;
    clock: Clock;
    log: TaskLog;
    jobLog: (job: Job) => TaskLog;
    options: WorkerOptions;
  }) {
    this.#engine = params.engine;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#jobLog = params.jobLog;
    this.#options = params.options;
    this.#pool = new ExecutorPool({
      size: params.options.slots,
      cores: params.options.cores,
      executor: params.options.executor,
    });
  }

  start(): void {
    if (this.#loop) return;
    this.#pool.start();
    this.#timers = [
      this.#clock.every(progressMs, () => void this.#heartbeat()),
      this.#engine.subscribe((event) => {
        if (event.status === 'cancelled') this.#running.get(event.id)?.attempt.stop('cancelled');
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
      for (const { attempt } of this.#running.values()) attempt.stop('drain');
    });
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
    cancelGrace();
    for (const cancel of this.#timers.splice(0)) cancel();
    await this.#pool.close();
  }

  /** False where the consume loop has not turned for so long that it must be stuck. */
  get healthy(): boolean {
    return this.#clock.monotonic() - this.#turnedAt < stuckMs;
  }

  info(): WorkerView {
    return {
      id: this.#options.id,
      pid: process.pid,
      slots: this.#options.slots,
      busy: this.#running.size,
      executors: this.#pool.all.map((executor) => ({
        pid: executor.pid,
        ...(executor.job === undefined ? {} : { job: executor.job }),
        memory: executor.memory(),
      })),
    };
  }

  async #consume(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#turnedAt = this.#clock.monotonic();
      const turn = new AbortController();
      const endTurn = () => turn.abort();
      const cancelTurn = this.#clock.after(turnMs, endTurn);
      signal.addEventListener('abort', endTurn, { once: true });
      try {
        const free = this.#options.slots - this.#running.size;
        if (free === 0) await this.#slotFree(turn.signal);
        else for (const lease of await this.#claim(free, turn.signal)) this.#begin(lease);
      } catch (error) {
        this.#log.warn('jobs could not be claimed', { error: String(error) });
        await this.#clock.sleep(errorPauseMs);
      } finally {
        cancelTurn();
        signal.removeEventListener('abort', endTurn);
      }
    }
  }

  #claim(max: number, signal: AbortSignal): Promise<readonly Lease[]> {
    const { id, types, leaseMs } = this.#options;
    return this.#engine.claim({ worker: id, types, max, leaseMs, signal });
  }

  #begin(lease: Lease): void {
    const attempt = new Attempt({
      lease,
      engine: this.#engine,
      clock: this.#clock,
      log: this.#jobLog(lease.job),
    });
    const ended = attempt.run(this.#pool).finally(() => {
      this.#running.delete(lease.job.id);
      this.#slotFreed?.();
    });
    this.#running.set(lease.job.id, { attempt, ended });
    if (this.#stopping.signal.aborted) attempt.stop('drain'); // leased at the very moment of stopping
  }

  async #slotFree(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#slotFreed = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#slotFreed = undefined;
  }

  /** Renews all leases when a heartbeat is due, and in between those that have new progress. */
  async #heartbeat(): Promise<void> {
    const due = this.#clock.monotonic() - this.#renewedAt >= this.#options.heartbeatMs - progressMs / 2;
    const attempts = [...this.#running.values()]
      .map(({ attempt }) => attempt)
      .filter((attempt) => due || attempt.hasProgress);
    if (due) this.#renewedAt = this.#clock.monotonic();
    if (attempts.length === 0) return;
    try {
      const outcomes = await this.#engine.heartbeat({
        leaseMs: this.#options.leaseMs,
        leases: attempts.map((attempt) => {
          const progress = attempt.takeProgress();
          return {
            id: attempt.lease.job.id,
            token: attempt.lease.token,
            ...(progress === undefined ? {} : { progress }),
          };
        }),
      });
      outcomes.forEach((outcome, i) => {
        if (outcome !== 'applied') attempts[i]!.stop('lease-lost');
      });
    } catch (error) {
      this.#log.warn('leases could not be renewed', { error: String(error) });
    }
  }
}
