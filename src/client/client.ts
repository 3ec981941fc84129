/**
 * A typed client of `/v1` and of the scaling figure. Every call rejects with ClientError, with the signal's reason
 * when aborted, with what reading the caller's own files and streams threw, or with TypeError where a key holds
 * characters that a header cannot carry.
 */
import { createHash } from 'node:crypto';
import type { Blob, DownloadLink, UploadLink } from '../contract/blob.js';
import type { JobEvent, OutputEvent } from '../contract/event.js';
import type { Explanation } from '../contract/explanation.js';
import type { Job, JobList } from '../contract/job.js';
import type { BulkChange, BulkChanged, Queue, QueueList } from '../contract/queue.js';
import type { WorkerScale } from '../contract/scale.js';
import type { Worker } from '../contract/worker.js';
import { isFinal, type Status } from '../jobs/life-cycle.js';
import { Caller, type Request } from './caller.js';
import { saveTo, uploadBody, type ByteRange, type Bytes, type OnBytes, type Upload } from './bytes.js';
import { ClientError, jobError } from './error.js';
import { follow } from './event-stream.js';
import { multipart, type FilePart } from './multipart.js';
import type { CallOptions, ClientOptions, JobQuery, SubmitOptions } from './options.js';
import { measure, sendTo } from './direct.js';
import { persist } from './retry.js';
import type { BuiltInTasks, JobOf, Submission, TaskMap, TypeName } from './tasks.js';
import type { BytesBody, StreamedBody } from './transport.js';

/** How long those that wait for a job put up with a server that is away: the job itself is safe. In ms. */
const waitPatienceMs = 30_000;
/** The server holds a request for at most a minute; it says that an event stream lives every 15 s. */
const longestHold = 30;
const leastStreamTimeoutMs = 45_000;
const pageSize = 200;

export class DrayClient<Tasks extends TaskMap<Tasks> = BuiltInTasks> {
  readonly #caller: Caller;

  /** @throws TypeError where the address is no http or https address. */
  constructor(options: ClientOptions = {}) {
    this.#caller = new Caller(options);
  }

  /** Resolves when the job is accepted, which means that it is durable. */
  submit<T extends TypeName<Tasks>>(
    job: Submission<Tasks, T>,
    options: SubmitOptions = {},
  ): Promise<JobOf<Tasks, T>> {
    return this.#submit('v1/jobs', jsonBody(job), options);
  }

  /** Submits all of the jobs or, where one is refused, none; at most 1,000. */
  async submitBatch(
    jobs: readonly Submission<Tasks>[],
    options: SubmitOptions = {},
  ): Promise<JobOf<Tasks>[]> {
    const accepted = await this.#submit<{ jobs: JobOf<Tasks>[] }>(
      'v1/jobs/batch',
      jsonBody({ jobs }),
      options,
    );
    return accepted.jobs;
  }

  /**
   * Submits a job whose files are members of its input, in one request: a broken one leaves nothing behind.
   *
   * @param params.job the rest of the submission; its input holds the members that are no files.
   */
  async submitFiles<T extends TypeName<Tasks>>(
    params: {
      job: Omit<Submission<Tasks, T>, 'input'> & { readonly type: T; readonly input?: unknown };
      files: readonly FilePart[];
      onBytes?: OnBytes;
    } & SubmitOptions,
  ): Promise<JobOf<Tasks, T>> {
    const { job, files, onBytes, idempotencyKey = this.#caller.clock.token(), ...options } = params;
    // The server compares whole bodies: what is sent again under its key must have the same boundary.
    const boundary = `dray-${createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 32)}`;
    const body = await multipart({ job, files, onBytes, boundary });
    return this.#submit('v1/jobs', body, { ...options, idempotencyKey });
  }

  /**
   * Submits a job and waits until it is completed.
   *
   * @returns the completed job; where its result is large, `result` or `resultStream` fetch it.
   * @throws ClientError of kind `job` where it failed or was cancelled. Aborting stops the waiting, not the job.
   */
  async submitAndWait<T extends TypeName<Tasks>>(
    job: Submission<Tasks, T>,
    options: SubmitOptions = {},
  ): Promise<JobOf<Tasks, T>> {
    const path = `v1/jobs?wait=${longestHold}s`;
    const accepted = await this.#submit<Job>(path, jsonBody(job), {
      ...options,
      patienceMs: options.patienceMs ?? waitPatienceMs,
    });
    const ended = isFinal(accepted.status) ? accepted : await this.#untilFinal(accepted.id, options);
    if (ended.status !== 'completed') throw jobError(ended);
    return ended as JobOf<Tasks, T>;
  }

  /** @param options.waitSeconds lets the server hold the answer until the job is final, at most so long (60). */
  get<T extends TypeName<Tasks>>(
    id: string,
    options: CallOptions & { waitSeconds?: number } = {},
  ): Promise<JobOf<Tasks, T>> {
    const { waitSeconds = 0 } = options;
    const timeoutMs = this.#caller.timeoutMs + 1_000 * waitSeconds;
    const query = waitSeconds === 0 ? '' : `?wait=${waitSeconds}s`;
    return this.#caller.repeat({ method: 'GET', path: `${jobPath(id)}${query}`, timeoutMs }, options);
  }

  /**
   * Waits until the job is final, however it ends. A server that goes away meanwhile, as in a restart, is given
   * 30 s (or `patienceMs`) to come back; the job itself is safe.
   */
  wait<T extends TypeName<Tasks>>(id: string, options: CallOptions = {}): Promise<JobOf<Tasks, T>> {
    return this.#untilFinal(id, options) as Promise<JobOf<Tasks, T>>;
  }

  /** All jobs that fit, newest first, read page by page as they are taken. */
  async *list<T extends TypeName<Tasks>>(
    query: JobQuery & { readonly type?: T | undefined } = {},
    options: CallOptions = {},
  ): AsyncGenerator<JobOf<Tasks, T>, void, undefined> {
    let cursor: string | null | undefined;
    do {
      const page: JobList = await this.listPage({ ...query, limit: pageSize, cursor }, options);
      yield* page.jobs as JobOf<Tasks, T>[];
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /** One page, at most 1,000 jobs, and the cursor of the next. */
  listPage(
    query: JobQuery & { readonly limit?: number; readonly cursor?: string | null | undefined },
    options: CallOptions = {},
  ): Promise<JobList> {
    return this.#caller.repeat({ method: 'GET', path: `v1/jobs${search({ ...query })}` }, options);
  }

  /** Cancels a job that is not final yet; running work is stopped. */
  async cancel<T extends TypeName<Tasks>>(id: string, options: CallOptions = {}): Promise<JobOf<Tasks, T>> {
    const call: Request = { method: 'POST', path: `${jobPath(id)}/cancel` };
    return this.#caller.persist(options, async (repeated) => {
      try {
        return await this.#caller.once<JobOf<Tasks, T>>(call, options);
      } catch (error) {
        if (!(repeated && error instanceof ClientError && error.code === 'wrong-state')) throw error;
        // The answer to an earlier try may have been lost after the job was cancelled.
        const job = await this.#caller.once<JobOf<Tasks, T>>({ method: 'GET', path: jobPath(id) }, options);
        if (job.status === 'cancelled') return job;
        throw error;
      }
    });
  }

  /** Gives a failed job new attempts. Never repeated: a job that failed again meanwhile would be run twice. */
  redrive<T extends TypeName<Tasks>>(id: string, options: CallOptions = {}): Promise<JobOf<Tasks, T>> {
    return this.#caller.once({ method: 'POST', path: `${jobPath(id)}/redrive` }, options);
  }

  /**
   * Cancels all unfinished jobs that fit, request by request until none is left.
   *
   * @returns how many; fewer than there were where an answer was lost and the request repeated.
   */
  async cancelAll(filter: BulkChange, options: CallOptions = {}): Promise<number> {
    const call = { method: 'POST', path: 'v1/jobs/cancel', body: jsonBody(filter) } as const;
    for (let cancelled = 0; ;) {
      const { changed, more } = await this.#caller.repeat<BulkChanged>(call, options);
      cancelled += changed;
      if (!more || changed === 0) return cancelled;
    }
  }

  /**
   * Re-drives failed jobs that fit, as many as one request may: `more` tells that there may be others. It does not
   * go on by itself, since jobs that fail again at once would keep it going for ever.
   */
  redriveAll(filter: BulkChange, options: CallOptions = {}): Promise<BulkChanged> {
    return this.#caller.once({ method: 'POST', path: 'v1/jobs/redrive', body: jsonBody(filter) }, options);
  }

  /** Why the job is where it is, and when it may start. */
  explain(id: string, options: CallOptions = {}): Promise<Explanation> {
    return this.#caller.repeat({ method: 'GET', path: `${jobPath(id)}/explain` }, options);
  }

  /**
   * Changes as they happen: of one job until it is final, or of all jobs until you leave or abort. Where the
   * connection breaks it is opened again, as `wait` does.
   *
   * Events are best effort. Of one job the first is the job as it is, also after a break; among those of all jobs
   * some may be missing, which `onGap` is told: read what matters again. `onOutput` gets what one job prints while it is
   * watched, in pieces that may end anywhere.
   */
  async *events(
    id?: string,
    options: CallOptions & {
      type?: TypeName<Tasks>;
      status?: Status;
      onGap?: () => void;
      onOutput?: (output: OutputEvent) => void;
    } = {},
  ): AsyncGenerator<JobEvent, void, undefined> {
    const { signal, patienceMs = waitPatienceMs, type, status } = options;
    const { onGap = () => undefined, onOutput = () => undefined } = options;
    const path = id === undefined ? `v1/events${search({ type, status })}` : `${jobPath(id)}/events`;
    const timeoutMs = Math.max(this.#caller.timeoutMs, leastStreamTimeoutMs);
    const events = follow({
      connection: this.#caller.connection,
      call: { method: 'GET', path, signal, timeoutMs },
      patience: this.#caller.patience({ patienceMs }),
      sleep: (ms) => this.#caller.clock.sleep(ms, signal),
      onGap: id === undefined ? onGap : () => undefined,
      onOutput,
    });
    for await (const event of events) {
      yield event;
      if (id !== undefined && isFinal(event.status)) return;
    }
  }

  /** The result as JSON: what the task gave, or the form that the task has for it, such as the rows of a matrix. */
  result<R = unknown>(id: string, options: CallOptions = {}): Promise<R> {
    return this.#caller.repeat({ method: 'GET', path: `${jobPath(id)}/result` }, options);
  }

  /** @param options.accept the media type to get it in; by default the one that the task prefers. */
  resultStream(
    id: string,
    options: CallOptions & { accept?: string; range?: ByteRange } = {},
  ): Promise<Bytes> {
    return this.#caller.bytes(`${jobPath(id)}/result`, options);
  }

  /** Writes the result next to `path` first and renames it when whole: `path` never holds half a result. */
  async saveResult(
    id: string,
    options: CallOptions & { path: string; accept?: string; onBytes?: OnBytes },
  ): Promise<{ readonly bytes: number; readonly mediaType: string }> {
    const result = await this.resultStream(id, options);
    const part = `${options.path}.${this.#caller.clock.token().slice(0, 8)}.part`;
    return { bytes: await saveTo(result, { ...options, part }), mediaType: result.mediaType };
  }

  /**
   * Stores data that jobs name as `{"blob": id}`. It is sent once: what a lost answer leaves behind is removed by
   * the server when no job has used it for a day.
   *
   * @param data bytes, a stream of them, or the path of a file.
   */
  async upload(data: Upload, options: CallOptions & { mediaType?: string } = {}): Promise<Blob> {
    const body = await uploadBody(data, options.mediaType ?? 'application/octet-stream');
    return this.#caller.once({ method: 'POST', path: 'v1/blobs', body }, options);
  }

  /**
   * As `upload`, but the bytes go straight to the store on which the server keeps its blobs: with large data this
   * spares the server.
   *
   * @throws ClientError `no-links` where the server's blobs are files: use `upload` there.
   */
  async uploadDirect(
    data: Uint8Array | { readonly path: string },
    options: CallOptions & { mediaType?: string } = {},
  ): Promise<Blob> {
    const { mediaType = 'application/octet-stream' } = options;
    const body = jsonBody({ ...(await measure(data)), mediaType });
    const link = await this.#caller.once<UploadLink>(
      { method: 'POST', path: 'v1/blobs/links', body },
      options,
    );
    await sendTo(link, data, { signal: options.signal, timeoutMs: this.#caller.timeoutMs });
    return this.#caller.repeat({ method: 'POST', path: `v1/blobs/links/${link.id}/commit` }, options);
  }

  /** An address that gives the blob's bytes, straight from the store, to whoever has it, for an hour. */
  downloadLink(id: string, options: CallOptions = {}): Promise<DownloadLink> {
    return this.#caller.repeat({ method: 'GET', path: `${blobPath(id)}/link` }, options);
  }

  /** The bytes of a blob, or a range of them. */
  download(id: string, options: CallOptions & { range?: ByteRange } = {}): Promise<Bytes> {
    return this.#caller.bytes(blobPath(id), options);
  }

  /** Removes a blob. Jobs that still need it will fail. */
  async deleteBlob(id: string, options: CallOptions = {}): Promise<void> {
    await this.#caller.once({ method: 'DELETE', path: blobPath(id) }, options);
  }

  async queues(options: CallOptions = {}): Promise<Queue[]> {
    return (await this.#caller.repeat<QueueList>({ method: 'GET', path: 'v1/queues' }, options)).queues;
  }

  /** Stops the hand-out of a job type; what runs goes on. */
  pause(type: TypeName<Tasks>, options: CallOptions = {}): Promise<Queue> {
    return this.#caller.repeat(
      { method: 'POST', path: `v1/queues/${encodeURIComponent(type)}/pause` },
      options,
    );
  }

  /** Goes on with the hand-out of a job type. */
  resume(type: TypeName<Tasks>, options: CallOptions = {}): Promise<Queue> {
    return this.#caller.repeat(
      { method: 'POST', path: `v1/queues/${encodeURIComponent(type)}/resume` },
      options,
    );
  }

  async workers(options: CallOptions = {}): Promise<Worker[]> {
    const call = { method: 'GET', path: 'v1/workers' } as const;
    return (await this.#caller.repeat<{ workers: Worker[] }>(call, options)).workers;
  }

  /** How many workers a pool should have, and every term of the figure; `scale-unknown` where that is not known. */
  scale({ pool, ...options }: CallOptions & { readonly pool?: string } = {}): Promise<WorkerScale> {
    const query = pool === undefined ? '' : `?pool=${encodeURIComponent(pool)}`;
    return this.#caller.repeat({ method: 'GET', path: `desired-worker-scale${query}` }, options);
  }

  #submit<T>(path: string, body: StreamedBody | BytesBody, options: SubmitOptions): Promise<T> {
    const headers = { 'idempotency-key': options.idempotencyKey ?? this.#caller.clock.token() };
    const timeoutMs = this.#caller.timeoutMs + (path.includes('?wait=') ? 1_000 * longestHold : 0);
    return this.#caller.repeat({ method: 'POST', path, headers, timeoutMs, body }, options);
  }

  async #untilFinal(id: string, options: CallOptions): Promise<Job> {
    const { signal, patienceMs = waitPatienceMs } = options;
    const path = `${jobPath(id)}?wait=${longestHold}s`;
    const timeoutMs = this.#caller.timeoutMs + 1_000 * longestHold;
    const patience = this.#caller.patience({ patienceMs });
    for (;;) {
      const asked = this.#caller.clock.monotonic();
      const ask = (): Promise<Job> => this.#caller.once({ method: 'GET', path, timeoutMs }, { signal });
      const job = await persist(patience, signal, ask);
      if (isFinal(job.status)) return job;
      patience.restore();
      // A server that does not hold the request, as one that stops, must not be asked in a tight loop.
      if (this.#caller.clock.monotonic() - asked < 200) await this.#caller.clock.sleep(200, signal);
    }
  }
}

function jsonBody(value: unknown): { contentType: string; bytes: Uint8Array } {
  return { contentType: 'application/json', bytes: Buffer.from(JSON.stringify(value)) };
}

function jobPath(id: string): string {
  return `v1/jobs/${encodeURIComponent(id)}`;
}

function blobPath(id: string): string {
  return `v1/blobs/${encodeURIComponent(id)}`;
}

/** The members that are given, as a query. */
function search(members: Readonly<Record<string, string | number | null | undefined>>): string {
  const given = Object.entries(members).flatMap(([name, value]) =>
    value === undefined || value === null ? [] : [[name, String(value)] as [string, string]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}
