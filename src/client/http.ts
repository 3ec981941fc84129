/**
 * A typed client of `/v1` and of the scaling figure. Every call rejects with ClientError, or with the signal's
 * reason when aborted.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Explanation } from '../contract/explanation.js';
import type { Job, JobList, SubmitJob } from '../contract/job.js';
import type { BulkChange, BulkChanged, Queue, QueueList } from '../contract/queue.js';
import type { WorkerScale } from '../contract/scale.js';
import { isFinal, type Status } from '../jobs/life-cycle.js';
import { ClientError } from './error.js';
import { multipart, type FilePart, type OnBytes } from './multipart.js';
import { exchange, readChunks, readText, type Call } from './transport.js';

/** How long `wait` puts up with a server that does not answer, such as one that is being restarted. */
const patienceMs = 30_000;

/** What the client takes of a Clock (src/clock.ts): no wall-clock time. */
export interface ClientClock {
  monotonic(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  token(): string;
}

export interface Download {
  readonly bytes: number;
  readonly mediaType: string;
}

export class DrayClient {
  readonly baseUrl: URL;
  readonly #clock: ClientClock;
  readonly #apiKey: string | undefined;

  /**
   * @param params.baseUrl ends in a slash (see `serverAddress`).
   * @param params.apiKey sent with each request, where the server needs one.
   */
  constructor(params: { baseUrl: URL; clock: ClientClock; apiKey?: string | undefined }) {
    this.baseUrl = params.baseUrl;
    this.#clock = params.clock;
    this.#apiKey = params.apiKey;
  }

  /** @param options.idempotencyKey with it, the same call again gives the job of the first one. */
  submit(job: SubmitJob, options: { signal?: AbortSignal; idempotencyKey?: string } = {}): Promise<Job> {
    return this.#json<Job>({ method: 'POST', path: 'v1/jobs', json: job, ...options });
  }

  /** Submits a job whose files are fields of its input, in one request: a broken one leaves nothing behind. */
  async submitFiles(params: {
    job: SubmitJob;
    files: readonly FilePart[];
    onBytes?: OnBytes;
    signal?: AbortSignal;
    idempotencyKey?: string;
  }): Promise<Job> {
    const { job, files, onBytes, signal, idempotencyKey } = params;
    // The server compares whole bodies: what is sent again under its key must have the same boundary.
    const token = idempotencyKey === undefined ? this.#clock.token() : digest(idempotencyKey);
    const body = await multipart({ job, files, onBytes, boundary: `dray-${token}` });
    const key = idempotencyKey === undefined ? {} : { idempotencyKey };
    return this.#json<Job>({ method: 'POST', path: 'v1/jobs', body, ...key, ...given(signal) });
  }

  /** @param params.waitSeconds lets the server hold the answer until the job is final, at most so long. */
  get(id: string, params: { waitSeconds?: number; signal?: AbortSignal } = {}): Promise<Job> {
    const query = params.waitSeconds === undefined ? '' : `?wait=${params.waitSeconds}s`;
    return this.#json<Job>({ method: 'GET', path: `${jobPath(id)}${query}`, ...given(params.signal) });
  }

  /** One page, newest first. */
  list(
    query: { status?: Status; type?: string; label?: string; limit?: number; cursor?: string },
    signal?: AbortSignal,
  ): Promise<JobList> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) search.set(name, String(value));
    return this.#json<JobList>({ method: 'GET', path: `v1/jobs?${search.toString()}`, ...given(signal) });
  }

  cancel(id: string): Promise<Job> {
    return this.#json<Job>({ method: 'POST', path: `${jobPath(id)}/cancel` });
  }

  redrive(id: string): Promise<Job> {
    return this.#json<Job>({ method: 'POST', path: `${jobPath(id)}/redrive` });
  }

  /** Why the job is where it is, and when it may start. */
  explain(id: string): Promise<Explanation> {
    return this.#json<Explanation>({ method: 'GET', path: `${jobPath(id)}/explain` });
  }

  /** Cancels or re-drives all jobs that fit, as many as one request may: `more` tells to ask again. */
  changeAll(change: 'cancel' | 'redrive', filter: BulkChange): Promise<BulkChanged> {
    return this.#json<BulkChanged>({ method: 'POST', path: `v1/jobs/${change}`, json: filter });
  }

  queues(): Promise<QueueList> {
    return this.#json<QueueList>({ method: 'GET', path: 'v1/queues' });
  }

  /** Stops the hand-out of a job type, or goes on with it. */
  changeQueue(type: string, change: 'pause' | 'resume'): Promise<Queue> {
    return this.#json<Queue>({ method: 'POST', path: `v1/queues/${encodeURIComponent(type)}/${change}` });
  }

  /** How many workers there should be, and every term of the figure; `scale-unknown` where that is not known. */
  scale(signal?: AbortSignal): Promise<WorkerScale> {
    return this.#json<WorkerScale>({ method: 'GET', path: 'desired-worker-scale', ...given(signal) });
  }

  /**
   * Long-polls until the job is final. A server that goes away meanwhile, as in a restart, is given
   * `patienceMs` to come back; the job itself is safe.
   *
   * @param params.onJob told each answer, at least every `everySeconds`.
   */
  async wait(
    id: string,
    params: { everySeconds?: number; onJob?: (job: Job) => void; signal?: AbortSignal } = {},
  ): Promise<Job> {
    const waitSeconds = params.everySeconds ?? 30;
    let silentSince: number | undefined;
    for (;;) {
      const asked = this.#clock.monotonic();
      try {
        const job = await this.get(id, { waitSeconds, ...given(params.signal) });
        silentSince = undefined;
        params.onJob?.(job);
        if (isFinal(job.status)) return job;
      } catch (error) {
        if (!mayPass(error)) throw error;
        silentSince ??= asked;
        if (this.#clock.monotonic() - silentSince > patienceMs) throw error;
      }
      // A server that answers at once, or not at all, must not be asked in a tight loop.
      if (this.#clock.monotonic() - asked < 200) await this.#clock.sleep(200, params.signal);
    }
  }

  /** The result's bytes in the form asked for. */
  async result(
    id: string,
    params: { accept: string; signal?: AbortSignal },
  ): Promise<{ mediaType: string; length: number | undefined; chunks: AsyncIterable<Uint8Array> }> {
    const call: Call = { method: 'GET', path: `${jobPath(id)}/result`, ...params };
    const response = await exchange(this.baseUrl, call, this.#apiKey);
    const length = Number(response.headers['content-length'] ?? NaN);
    return {
      mediaType: (response.headers['content-type'] ?? '').split(';')[0]!.trim(),
      length: Number.isNaN(length) ? undefined : length,
      chunks: readChunks(this.baseUrl, response, params.signal),
    };
  }

  /** Writes the result next to `path` first and renames it when whole: `path` never holds half a result. */
  async download(
    id: string,
    params: {
      accept: string;
      path: string;
      onBytes?: (done: number, total?: number) => void;
      signal?: AbortSignal;
    },
  ): Promise<Download> {
    const { path, onBytes } = params;
    const { mediaType, length, chunks } = await this.result(id, {
      accept: params.accept,
      ...given(params.signal),
    });
    const part = `${path}.${this.#clock.token().slice(0, 8)}.part`;
    let bytes = 0;
    try {
      const counted = async function* () {
        for await (const chunk of chunks) {
          yield chunk;
          bytes += chunk.length;
          onBytes?.(bytes, length);
        }
      };
      await pipeline(
        counted(),
        createWriteStream(part, { flags: 'wx', highWaterMark: 1 << 20 }),
        given(params.signal),
      );
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw params.signal?.aborted ? params.signal.reason : error;
    }
    return { bytes, mediaType };
  }

  async #json<T>(call: Call): Promise<T> {
    const response = await exchange(this.baseUrl, call, this.#apiKey);
    const text = await readText(this.baseUrl, response, call.signal);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new ClientError({
        kind: 'unexpected',
        status: response.statusCode ?? 0,
        message: `the answer from ${this.baseUrl.host} is not JSON`,
        next: 'Check that --server (or DRAY_SERVER) is the address of a Dray server.',
      });
    }
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function jobPath(id: string): string {
  return `v1/jobs/${encodeURIComponent(id)}`;
}

function given(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

function mayPass(error: unknown): boolean {
  return error instanceof ClientError && (error.kind === 'unreachable' || error.code === 'unavailable');
}
