/** One attempt of one job: from its lease to the write that ends it. */
import type { Clock } from '../clock.js';
import type { EndedAttempt, Engine, Failure, Lease, Outcome, Progress } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';
import { afterFailure } from '../jobs/retry.js';
import type { StopReason } from '../tasks/stopped.js';
import type { TaskLog } from '../tasks/task.js';
import type { RunnerPool } from './runner-pool.js';
import { Stop, type RunOutcome } from './runner.js';

/** How often, and how many times, a final write is tried while the store does not take it. */
const writeRetryMs = 500;
const writeTries = 240;

export class Attempt {
  readonly lease: Lease;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #makeLog: () => TaskLog;
  #madeLog: TaskLog | undefined;
  readonly #stop = new Stop();
  readonly #leasedAt: number;
  #startedAt: number | undefined;
  #ranMs: number | undefined;
  #progress: Progress | undefined;
  #begunUntold = false;
  #outcome: EndedAttempt['outcome'] = 'released';

  /** @param params.log makes the log of the job, where there is something to tell. */
  constructor(params: { lease: Lease; engine: Engine; clock: Clock; log: () => TaskLog }) {
    this.lease = params.lease;
    this.#engine = params.engine;
    this.#clock = params.clock;
    this.#makeLog = params.log;
    this.#leasedAt = params.clock.monotonic();
  }

  get #log(): TaskLog {
    return (this.#madeLog ??= this.#makeLog());
  }

  /** How long it has been waiting for its turn, in ms; 0 once it runs. */
  get waitedMs(): number {
    return this.#startedAt === undefined ? this.#clock.monotonic() - this.#leasedAt : 0;
  }

  /** How long it has been running, or ran, in ms. */
  get ranMs(): number {
    return this.#ranMs ?? (this.#startedAt === undefined ? 0 : this.#clock.monotonic() - this.#startedAt);
  }

  /** How it ended, once `run` has resolved. */
  get outcome(): EndedAttempt['outcome'] {
    return this.#outcome;
  }

  /** What the store does not know yet: progress, and that the attempt has begun where it was leased ahead. */
  takeNews(): { readonly progress?: Progress; readonly startedAt?: number } {
    const progress = this.#progress;
    this.#progress = undefined;
    const begun = this.#begunUntold;
    this.#begunUntold = false;
    return {
      ...(progress !== undefined && { progress }),
      ...(begun && { startedAt: Math.round(this.#clock.now() - this.ranMs) }),
    };
  }

  /** Takes back what could not be told; what has come since is newer. */
  returnNews({ progress, startedAt }: ReturnType<Attempt['takeNews']>): void {
    this.#progress ??= progress;
    this.#begunUntold ||= startedAt !== undefined;
  }

  /** The write that ends the attempt tells all of it. */
  get hasNews(): boolean {
    return this.#ranMs === undefined && (this.#progress !== undefined || this.#begunUntold);
  }

  stop(reason: StopReason): void {
    this.#stop.stop(reason);
  }

  /**
   * Never rejects: what cannot be written is left to the lease's end.
   *
   * @param mayWrite resolves when the end of the attempt may be written.
   * @returns `not-started` where no runner could be started; the job is handed back uncounted then.
   */
  async run(pool: RunnerPool, mayWrite: () => Promise<void> | undefined): Promise<RunOutcome['kind']> {
    const { job } = this.lease;
    const runner = pool.take() ?? (await pool.acquire(this.#stop));
    if (!runner) {
      await this.#write({ kind: 'returned' });
      return 'returned';
    }
    const previous = job.attempts.at(-1);
    let cancelTimeout = (): void => undefined;
    let outcome: RunOutcome;
    try {
      outcome = await runner.run(
        {
          jobId: job.id,
          type: job.type,
          input: job.input,
          attempt: job.attempt,
          ...(previous && { previous: { outcome: previous.outcome, error: previous.error } }),
          threads: pool.threads,
        },
        {
          stop: this.#stop,
          onStart: () => {
            this.#startedAt = this.#clock.monotonic();
            this.#begunUntold = job.startedAt === undefined;
            cancelTimeout = this.#clock.after(job.timeoutMs, () => this.stop('timeout'));
          },
          onProgress: (progress) => (this.#progress = progress),
          onOutput: (text) => {
            // What an inline task that was given up still prints is nobody's.
            if (this.#ranMs === undefined) this.#engine.tell({ id: job.id, text });
          },
          log: () => this.#log,
        },
      );
    } finally {
      cancelTimeout();
      pool.release(runner);
    }
    this.#ranMs = outcome.ms ?? this.ranMs;
    await mayWrite();
    const written = await this.#write(outcome);
    if (this.#outcome !== 'completed') {
      this.#log.info('attempt ended', {
        outcome: this.#outcome,
        written,
        ...(this.#outcome === 'failed' && errorOf(outcome)),
      });
    }
    return outcome.kind;
  }

  #endOf(run: RunOutcome): EndedAttempt['outcome'] {
    const stopped = this.#stop.reason;
    if (stopped === 'cancelled') return 'cancelled';
    if (stopped === 'lease-lost') return 'expired';
    if (run.kind === 'done') return 'completed';
    if (run.kind === 'not-started' || run.kind === 'returned') return 'released';
    return stopped === 'drain' || stopped === 'surplus' ? 'released' : 'failed';
  }

  /** Stores how the attempt ended; where the lease was lost meanwhile, that is how. */
  async #write(run: RunOutcome): Promise<Outcome | 'not written'> {
    this.#outcome = this.#endOf(run);
    const written = await this.#store(run);
    if (written === 'stale') this.#outcome = 'expired';
    return written;
  }

  async #store(run: RunOutcome): Promise<Outcome | 'not written'> {
    const { job, token } = this.lease;
    const { peakMemory } = run;
    const end = {
      id: job.id,
      token,
      ranMs: this.#ranMs ?? 0,
      ...(peakMemory !== undefined && { peakMemory }),
    };
    // Another has taken the job from this attempt, which has nothing to say any more.
    if (this.#outcome === 'cancelled' || this.#outcome === 'expired') return 'not written';
    if (run.kind === 'done') {
      return this.#persist(() => this.#engine.complete({ ...end, result: run.result, blobs: run.blobs }));
    }
    if (this.#outcome === 'released' || run.kind === 'returned') {
      return this.#persist(() => this.#engine.release({ id: job.id, token }));
    }
    const timeout = { code: 'timeout', message: `the attempt took longer than ${job.timeoutMs} ms` };
    const isTimeout = this.#stop.reason === 'timeout';
    const error: Failure = isTimeout ? { ...timeout, permanent: false } : run.failure;
    const blobs = run.kind === 'failed' && !isTimeout ? run.blobs : undefined;
    const next = afterFailure({
      attempt: job.attempt,
      maxAttempts: job.maxAttempts,
      permanent: error.permanent,
      policy: job.retry,
      random: this.#clock.random(),
    });
    return this.#persist(() =>
      this.#engine.fail({
        ...end,
        error,
        ...(blobs && { blobs }),
        ...(next.kind === 'retry' && { retryInMs: next.delayMs }),
      }),
    );
  }

  /** A full disk or an absent store must not cost a finished result: the write is tried while the lease may live. */
  async #persist(write: () => Promise<Outcome>): Promise<Outcome | 'not written'> {
    for (let tries = 1; ; tries++) {
      try {
        return await write();
      } catch (error) {
        this.#log.warn('the end of an attempt could not be stored', { tries, error: String(error) });
        if (tries === writeTries || !mayPass(error)) return 'not written';
        await this.#clock.sleep(writeRetryMs);
      }
    }
  }
}

/** A full disk gets room, and a server that is away comes back; anything else would fail again. */
function mayPass(error: unknown): boolean {
  return error instanceof DrayError && (error.code === 'storage-full' || error.code === 'unavailable');
}

function errorOf(outcome: RunOutcome): { error?: Failure } {
  return 'failure' in outcome ? { error: outcome.failure } : {};
}
