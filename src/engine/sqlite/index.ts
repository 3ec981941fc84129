/** The engine of one machine: SQLite in a thread of this process. */
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import { limits } from '../../jobs/limits.js';
import type {
  Engine,
  Job,
  JobEvent,
  Lease,
  ListParams,
  Outcome,
  Standing,
  TypeCounts,
  UntoldEnd,
} from '../engine.js';
import { Batcher } from './batcher.js';
import { ClaimQueue } from './claims.js';
import { decodeCursor, encodeCursor } from '../cursor.js';
import { Listeners } from '../listeners.js';
import { OutputListeners } from '../output-listeners.js';
import { submittedJob } from '../submitted.js';
import { payloadColumns, readRecord, statusName, storedFilter, storedJob } from './rows.js';
import { StoreThread } from './store-thread.js';

/**
 * Opens, or makes, the database in `file` and takes it for this process until `close()`. Leases of an earlier
 * owner are expired: its workers died with it. Wall clock and lease times are those of `clock`.
 *
 * @throws DrayError `unavailable` where another process owns the file or a newer version of Dray wrote it.
 */
export async function openSqliteEngine(params: { file: string; clock: Clock }): Promise<Engine> {
  const thread = await StoreThread.open({ file: params.file, now: params.clock.now() });
  return new SqliteEngine(thread, params.clock);
}

class SqliteEngine implements Engine {
  readonly #thread: StoreThread;
  readonly #claims: ClaimQueue;
  readonly #batcher: Batcher;
  readonly #listeners = new Listeners();
  readonly #output = new OutputListeners();
  #closing: Promise<void> | undefined;

  constructor(thread: StoreThread, clock: Clock) {
    this.#thread = thread;
    this.#claims = new ClaimQueue(() => clock.token());
    this.#batcher = new Batcher({ clock, claims: this.#claims, post: (batch) => thread.post(batch) });
    thread.listen({
      onReply: (reply) => {
        this.#batcher.onReply(reply);
        this.#listeners.tell(reply.changes, (change) => ({ ...change, status: statusName(change.status) }));
      },
      onGone: (error) => {
        this.#claims.close(error);
        this.#batcher.fail(error);
      },
    });
  }

  async submit({ jobs, once }: Parameters<Engine['submit']>[0]): ReturnType<Engine['submit']> {
    const answer = await this.#batcher.call('submit', { jobs: jobs.map(storedJob), once: once ?? null });
    if (answer.kind === 'conflict' || answer.kind === 'unknown') return answer;
    if (answer.records) {
      return { kind: answer.kind, jobs: answer.records.map((record) => readRecord(record).job) };
    }
    return { kind: 'stored', jobs: jobs.map((job) => submittedJob(job, answer.createdAt)) };
  }

  claim({ ahead = 0, signal, ...rest }: Parameters<Engine['claim']>[0]): Promise<readonly Lease[]> {
    const leases = this.#claims.add({ ...rest, ahead }, signal);
    this.#batcher.schedule();
    return leases;
  }

  heartbeat({ leases, leaseMs }: Parameters<Engine['heartbeat']>[0]): Promise<readonly Outcome[]> {
    return this.#batcher.call('heartbeat', {
      leases: leases.map(({ id, token, progress, startedAt }) => ({
        id,
        token,
        startedAt: startedAt ?? null,
        progress: progress === undefined ? null : JSON.stringify(progress),
      })),
      leaseMs,
    });
  }

  complete(params: Parameters<Engine['complete']>[0]): Promise<Outcome> {
    const { id, token, result, peakMemory = null, ranMs = 0, blobs = [] } = params;
    const { json, blob } = payloadColumns(result);
    return this.#batcher.call('complete', {
      id,
      token,
      result: json,
      resultBlob: blob,
      peakMemory,
      ranMs,
      blobs,
    });
  }

  fail(params: Parameters<Engine['fail']>[0]): Promise<Outcome> {
    const { id, token, error, retryInMs, peakMemory = null, ranMs = 0, blobs = [] } = params;
    return this.#batcher.call('fail', {
      id,
      token,
      error: JSON.stringify(error),
      retryInMs: retryInMs === undefined ? null : Math.max(0, Math.ceil(retryInMs)),
      peakMemory,
      ranMs: Math.round(ranMs),
      blobs,
    });
  }

  release({ id, token }: { id: string; token: string }): Promise<Outcome> {
    return this.#batcher.call('release', { id, token });
  }

  cancel({ id }: { id: string }): Promise<Outcome> {
    return this.#batcher.call('cancel', { id });
  }

  redrive({ id }: { id: string }): Promise<Outcome> {
    return this.#batcher.call('redrive', { id });
  }

  changeAll({ change, filter, limit }: Parameters<Engine['changeAll']>[0]): ReturnType<Engine['changeAll']> {
    return this.#batcher.call('changeAll', { change, filter: storedFilter(filter), limit });
  }

  async pause({ type }: { type: string }): Promise<void> {
    await this.#batcher.call('pause', { type });
  }

  async resume({ type }: { type: string }): Promise<void> {
    await this.#batcher.call('resume', { type });
  }

  async standing({ id }: { id: string }): Promise<Standing | undefined> {
    const found = await this.#batcher.call('standing', { id });
    if (found === undefined) return undefined;
    const { record, ...rest } = found;
    return { job: readRecord(record).job, ...rest };
  }

  prune({ before, keep, limit }: Parameters<Engine['prune']>[0]): ReturnType<Engine['prune']> {
    return this.#batcher.call('prune', { before, keep: Math.min(keep, Number.MAX_SAFE_INTEGER), limit });
  }

  unusedBlobs({ blobs }: { blobs: readonly string[] }): Promise<readonly string[]> {
    return this.#batcher.call('unusedBlobs', { blobs });
  }

  projections({ limit }: { limit: number }): Promise<readonly UntoldEnd[]> {
    return this.#batcher.call('projections', { limit });
  }

  async projected({ ends }: Parameters<Engine['projected']>[0]): Promise<void> {
    await this.#batcher.call('projected', { ends });
  }

  async get({ id }: { id: string }): Promise<Job | undefined> {
    const record = await this.#batcher.call('get', { id });
    return record === undefined ? undefined : readRecord(record).job;
  }

  async list(params: ListParams): Promise<{ readonly jobs: readonly Job[]; readonly nextCursor?: string }> {
    const limit = Math.min(params.limit, limits.listPage);
    const { records, more } = await this.#batcher.call('list', {
      filter: storedFilter(params),
      before: params.cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(params.cursor),
      limit,
    });
    const page = records.map(readRecord);
    const last = page.at(-1);
    return {
      jobs: page.map(({ job }) => job),
      ...(more && last && { nextCursor: encodeCursor(last.seq) }),
    };
  }

  async counts(): Promise<readonly TypeCounts[]> {
    return this.#batcher.call('counts', {});
  }

  subscribe(listener: (event: JobEvent) => void): () => void {
    return this.#listeners.add(listener);
  }

  tell(params: { id: string; text: string }): void {
    this.#output.tell(params);
  }

  listen(params: Parameters<Engine['listen']>[0]): () => void {
    return this.#output.add(params);
  }

  maintain(): Promise<{
    readonly released: number;
    readonly expired: number;
    readonly nextDueInMs?: number;
  }> {
    return this.#batcher.call('maintain', {});
  }

  async ping(): Promise<void> {
    await this.#batcher.call('ping', {});
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const reason = new DrayError('unavailable', 'The job store is closed: the server is stopping.');
    this.#claims.close(reason);
    await this.#batcher.drain(reason);
    await this.#thread.close();
  }
}
