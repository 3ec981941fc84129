/** One attempt of a container job: starts the container or finds it, follows it to its end, and says how that was. */
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import { stopReasonOf } from '../stopped.js';
import type { PreviousAttempt, TaskContext } from '../task.js';
import type { Buckets } from './bucket.js';
import { durationOf, failureOf } from './ends.js';
import { containerTimeoutMs, type ContainerInput, type ContainerOutput } from './input.js';
import { ContainerLog } from './log.js';
import type { ContainerPlaces } from './places.js';
import { containerEnv, type ContainerJob } from './rules.js';
import type { ContainerEnd, ContainerRuntime, ContainerSpec } from './runtime.js';

/** How long a runtime that does not answer is asked again before it costs an attempt, and the pauses between. */
const awayMs = 300_000;
const firstPauseMs = 1_000;
const longestPauseMs = 15_000;
/** How long a bucket that does not answer is asked again. */
const listingMs = 30_000;
/**
 * How long the rest of a log is waited for once its container has ended: while nothing comes of it, and in all. A node
 * on which fifty end at once has been seen to take more than 5 s.
 */
const silenceMs = 20_000;
const lingerMs = 60_000;
/** Less than what a stopped attempt is given; a removal that takes longer goes on after it. */
const removalMs = 1_500;

export class ContainerRuns {
  readonly #runtime: ContainerRuntime;
  readonly #buckets: Buckets;
  readonly #places: ContainerPlaces;
  readonly #clock: Clock;

  constructor(params: {
    runtime: ContainerRuntime;
    buckets: Buckets;
    places: ContainerPlaces;
    clock: Clock;
  }) {
    this.#runtime = params.runtime;
    this.#buckets = params.buckets;
    this.#places = params.places;
    this.#clock = params.clock;
  }

  async run(input: ContainerInput, context: TaskContext): Promise<ContainerOutput> {
    const { jobId, signal } = context;
    // Whoever has admitted the job may have had other rules, and the names may lead elsewhere by now.
    const job = await this.#places.admit(input);
    signal.throwIfAborted();
    try {
      const { name, adopted } = await this.#insist(context, awayMs, async () => {
        // A job that was re-driven, or ran out of time, runs anew.
        if (isOver(context.previous)) await this.#runtime.remove({ jobId });
        return this.#runtime.start(specOf(job, jobId));
      });
      context.log.info(adopted ? 'the container of an earlier attempt is followed' : 'container started', {
        name,
      });
      return await this.#follow({ job, name }, context);
    } catch (error) {
      const reason = stopReasonOf(signal);
      if (reason === 'cancelled' || reason === 'timeout') await this.#discard(context);
      throw error;
    }
  }

  async #follow(
    { job, name }: { job: ContainerJob; name: string },
    context: TaskContext,
  ): Promise<ContainerOutput> {
    const { jobId, blobs } = context;
    const writer = await blobs.create({ mediaType: 'text/plain; charset=utf-8' });
    const log = new ContainerLog({ writer, output: (text) => context.output(text) });
    const end = await this.#untilEnd(log, context);
    if (end.reason === 'lost') {
      await this.#runtime.remove({ jobId });
      throw new Error(`the container ${name} was lost: ${end.message}`);
    }
    if (end.reason === 'exited' && end.exitCode === 0) {
      const listing = await this.#list(job, log, context);
      context.progress(1);
      return {
        name,
        exitCode: 0,
        durationMs: durationOf(end) ?? 0,
        log: { blob: await log.close() },
        outputBucketUrl: job.outputBucketUrl,
        ...listing,
      };
    }
    throw await failureOf({ reason: end.reason, end, job, name, log });
  }

  async #untilEnd(log: ContainerLog, { jobId, signal, progress }: TaskContext): Promise<ContainerEnd> {
    const reading = new AbortController();
    const read = this.#copy(log, { jobId, signal: reading.signal });
    read.catch(() => undefined); // said below, unless the attempt ends by something else
    try {
      const end = await this.#runtime.wait({
        jobId,
        signal,
        onState: (state, message) => progress(0, message === undefined ? state : `${state}: ${message}`),
      });
      if (!(await this.#rest(read, log, signal))) await log.note('the end of the log did not come');
      return end;
    } finally {
      reading.abort();
    }
  }

  /**
   * @returns whether the log had its end, or could not be read to it, before it took too long.
   * @throws the signal's reason when aborted.
   */
  async #rest(read: Promise<void>, log: ContainerLog, signal: AbortSignal): Promise<boolean> {
    const until = this.#clock.monotonic() + lingerMs;
    for (let seen = -1; log.chunks > seen && this.#clock.monotonic() < until;) {
      seen = log.chunks;
      if (await this.#inTime(read, silenceMs, signal)) return true;
    }
    return false;
  }

  /** Resolves when the log has ended, or cannot be read any more. @throws what the store of blobs throws. */
  async #copy(log: ContainerLog, from: { jobId: string; signal: AbortSignal }): Promise<void> {
    const chunks = this.#runtime.logs(from)[Symbol.asyncIterator]();
    for (;;) {
      let next: IteratorResult<Uint8Array, unknown>;
      try {
        next = await chunks.next();
      } catch (error) {
        if (from.signal.aborted) return;
        return log.note(`the log could not be read to its end: ${messageOf(error)}`);
      }
      if (next.done === true || !(await log.add(next.value))) return;
    }
  }

  /** What is in the output bucket is told where it can be found out; the job does not depend on it. */
  async #list(
    job: ContainerJob,
    log: ContainerLog,
    context: TaskContext,
  ): Promise<Pick<ContainerOutput, 'files' | 'filesTruncated' | 'filesError'>> {
    const { signal } = context;
    try {
      const { files, truncated } = await this.#insist(context, listingMs, async () => {
        const { bucket, addresses } = await this.#places.output(job);
        return this.#buckets.list({ bucket, addresses, signal });
      });
      return { files: [...files], ...(truncated && { filesTruncated: true }) };
    } catch (error) {
      signal.throwIfAborted();
      const filesError = messageOf(error);
      const message = `the files of the output bucket are not known: ${filesError}`;
      context.log.warn(message);
      await log.note(message);
      return { files: [], filesError };
    }
  }

  /** What is left to remove when the attempt's time is up goes on without it; what fails is left to the keeper. */
  async #discard({ jobId, log }: TaskContext): Promise<void> {
    const removal = this.#runtime
      .remove({ jobId })
      .catch((error: unknown) => log.warn('a container could not be removed', { error: String(error) }));
    await this.#inTime(removal, removalMs);
  }

  /** Asks what is away again, for so long. */
  async #insist<T>({ signal, progress }: TaskContext, forMs: number, ask: () => Promise<T>): Promise<T> {
    const until = this.#clock.monotonic() + forMs;
    for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
      try {
        return await ask();
      } catch (error) {
        const away = error instanceof DrayError && error.code === 'unavailable';
        if (!away || this.#clock.monotonic() + pause > until) throw error;
        progress(0, `waiting: ${error.message}`);
      }
      await this.#clock.sleep(pause, signal);
    }
  }

  /** @returns whether the work was over by then. @throws the signal's reason when aborted. */
  async #inTime(work: Promise<void>, ms: number, signal?: AbortSignal): Promise<boolean> {
    const ended = new AbortController();
    const over = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal;
    const late = this.#clock.sleep(ms, over).then(() => false);
    try {
      return await Promise.race([work.then(() => true), late]);
    } finally {
      ended.abort();
    }
  }
}

/** True where nothing of that attempt goes on: its container's end was told, or it was to be removed. */
function isOver(previous: PreviousAttempt | undefined): boolean {
  const error = previous?.error;
  return (
    previous?.outcome === 'failed' && error !== undefined && (error.permanent || error.code === 'timeout')
  );
}

function specOf(job: ContainerJob, jobId: string): ContainerSpec {
  const { image, name, cpus, memory } = job;
  return { jobId, name, image, cpus, memory, env: containerEnv(job), timeoutMs: containerTimeoutMs(job) };
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 1_000);
}
