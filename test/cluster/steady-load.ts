/** Jobs that keep coming while something happens, from clients that repeat what fails and count it. */
import { isDeepStrictEqual } from 'node:util';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { systemClock } from '../../src/clock.js';
import { backoff } from '../../src/jobs/retry.js';
import type { Job } from '../support/api.js';
import { eventually } from '../support/eventually.js';

export interface LoadOptions {
  /** Of the API, as clients reach it: of a Service, not of a pod. */
  readonly url: string;
  /** Of scope submit at least. */
  readonly key: string;
  readonly perSecond?: number;
  /** How long a job takes, in seconds. */
  readonly seconds?: number;
}

/** A try that was not answered as it should be. */
export interface Failure {
  /** In ms since the beginning of the load. */
  readonly at: number;
  /** Whether the connection was there before this request; the other clients make one for each. */
  readonly kept: boolean;
  /** The code of the system, or status and code of the answer. */
  readonly what: string;
}

/** By what an attempt may end that was not the job's own fault. */
type Cost = 'expired' | 'failed';

interface Answer {
  readonly status: number;
  readonly body: { readonly id?: string; readonly code?: string };
  readonly retryAfterMs: number;
}

interface Page {
  readonly jobs: readonly Job[];
  readonly nextCursor: string | null;
}

/** As src/client/retry.ts has it, but for as long as it takes. */
const pauses = { baseMs: 100, factor: 2, capMs: 5_000 };
/** A connection on which nothing moves for so long, in ms, is given up: what it led to is dead. */
const silenceMs = 10_000;
/** Requests under way; more are not begun while it is so many. */
const most = 300;
/** Of a text that is too large for a record, and so is a blob, both as input and as result. */
const large = 40_000;

export class SteadyLoad {
  /** By the id of an accepted job: what it must have become. */
  readonly accepted = new Map<string, unknown>();
  readonly failures: Failure[] = [];
  readonly #options: Required<LoadOptions>;
  readonly #label = systemClock.token().slice(0, 12);
  readonly #kept = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly #beganAt = systemClock.monotonic();
  readonly #over = new AbortController();
  readonly #underway = new Set<Promise<void>>();
  readonly #running: Promise<void>;
  #trouble: unknown;

  constructor(options: LoadOptions) {
    const { url, key, perSecond = 10, seconds = 0.3 } = options;
    this.#options = { url, key, perSecond, seconds };
    this.#running = this.#run();
  }

  /** Resolves when so many more jobs have been accepted. @throws Error as `stop`. */
  async goesOn(jobs = 50): Promise<void> {
    const enough = this.accepted.size + jobs;
    await eventually(
      () => {
        this.#check();
        return this.accepted.size;
      },
      (size) => size >= enough,
    );
  }

  /** Submits no more; resolves once all that was sent is accepted. @throws Error for an answer that clients do not repeat. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#running;
    await Promise.all(this.#underway);
    this.#kept.destroy();
    this.#check();
  }

  /** Failures by what they were, such as `{ 'ECONNREFUSED': 3, '503 unavailable, kept': 1 }`. */
  get counted(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { what, kept } of this.failures) {
      const name = kept ? `${what}, kept` : what;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }

  /** The jobs, when all of them have ended; those that were accepted unbeknown to the client are among them. */
  async ended(): Promise<readonly Job[]> {
    for (const status of ['scheduled', 'pending', 'in-progress']) {
      await eventually(
        () => this.#page({ status, limit: '1' }),
        ({ jobs }) => jobs.length === 0,
      );
    }
    const all: Job[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { jobs, nextCursor } = await this.#page({ limit: '1000', ...(cursor && { cursor }) });
      all.push(...jobs);
      cursor = nextCursor;
    }
    return all;
  }

  /**
   * What is wrong with the jobs, now that all have ended. An attempt that was handed back counts for nothing.
   * @param costs how attempts may have ended, beside the one that completed the job.
   */
  async wrong(jobs: readonly Job[], costs: readonly Cost[] = []): Promise<readonly string[]> {
    const wrong: string[] = [];
    if (jobs.length !== this.accepted.size)
      wrong.push(`${jobs.length} jobs for ${this.accepted.size} that were accepted`);
    const byId = new Map(jobs.map((job) => [job.id, job]));
    for (const [id, expected] of this.accepted) {
      const job = byId.get(id);
      if (!job) {
        wrong.push(`${id} was accepted, and is lost`);
        continue;
      }
      const outcomes = job.attempts.map(({ outcome }) => outcome);
      const counted = outcomes.filter((outcome) => outcome !== 'released');
      const said = JSON.stringify({ ...job, input: undefined, result: undefined });
      if (job.status !== 'completed') wrong.push(`${id} is ${job.status}: ${said}`);
      else if (
        counted.at(-1) !== 'completed' ||
        !counted.slice(0, -1).every((one) => costs.includes(one as Cost))
      )
        wrong.push(`${id} was completed after ${outcomes.join()}: ${said}`);
      else if (job.attempt !== counted.length) wrong.push(`${id} counts ${job.attempt} attempts: ${said}`);
      else if (
        !isDeepStrictEqual(
          await this.#result(job),
          expected ?? { ...(job.result as object), attempt: job.attempt },
        )
      )
        wrong.push(`${id} has another result than its own: ${said}`);
    }
    return wrong;
  }

  #check(): void {
    if (this.#trouble !== undefined) throw this.#trouble as Error;
  }

  async #run(): Promise<void> {
    const { signal } = this.#over;
    for (let count = 0; !signal.aborted; count++) {
      if (this.#underway.size < most) {
        const sending = this.#submit(count)
          .catch((error: unknown) => (this.#trouble ??= error))
          .then(() => void this.#underway.delete(sending));
        this.#underway.add(sending);
      }
      const due = this.#beganAt + ((count + 1) * 1_000) / this.#options.perSecond;
      await systemClock.sleep(Math.max(0, due - systemClock.monotonic()), signal).catch(() => undefined);
    }
  }

  /**
   * Of four jobs three take their time, and one gives back what no other has, large or small. Every other request
   * has a connection of its own.
   */
  async #submit(count: number): Promise<void> {
    const echo = count % 4 === 3;
    const text = `${this.#label} ${count} `.padEnd(count % 8 === 3 ? large : 0, '·');
    const input = echo ? { text } : { seconds: this.#options.seconds };
    const job = { type: echo ? 'echo' : 'sleep', input, labels: { load: this.#label } };
    const key = `${this.#label}-${count}`;
    const kept = count % 2 === 0;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#post(job, key, kept);
      if (answer?.body.id !== undefined) {
        this.accepted.set(answer.body.id, echo ? input : undefined);
        return;
      }
      if (this.#trouble !== undefined) return;
      const pause = backoff({ attempt, policy: pauses, random: systemClock.random() });
      await systemClock.sleep(Math.max(answer?.retryAfterMs ?? 20, pause));
    }
  }

  /** One try. @returns undefined where no answer came. @throws Error for one after which clients give up. */
  async #post(job: object, key: string, kept: boolean): Promise<Answer | undefined> {
    const failed = (what: string): void =>
      void this.failures.push({ at: systemClock.monotonic() - this.#beganAt, kept, what });
    let answer: Answer;
    try {
      answer = await this.#exchange('/v1/jobs', { kept, key, body: JSON.stringify(job) });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      failed(code ?? message);
      return undefined;
    }
    const { status, body } = answer;
    if (status < 300) return answer;
    failed(`${status} ${body.code ?? ''}`);
    if (status !== 429 && status !== 503)
      throw new Error(`a client gives up after ${status} ${JSON.stringify(body)}`);
    return answer;
  }

  #page(query: Record<string, string>): Promise<Page> {
    const label = `load=${this.#label}`;
    return this.#read(`/v1/jobs?${new URLSearchParams({ ...query, label }).toString()}`) as Promise<Page>;
  }

  #result({ id, result, resultBlob }: Job): Promise<unknown> {
    return resultBlob === undefined ? Promise.resolve(result) : this.#read(`/v1/jobs/${id}/result`);
  }

  /** Asks until it is answered. @throws Error where the answer is another one than to come back. */
  async #read(path: string): Promise<unknown> {
    for (;;) {
      const answer = await this.#exchange(path, { kept: false }).catch(() => undefined);
      if (answer?.status === 200) return answer.body;
      if (answer && answer.status !== 503) throw new Error(`${path}: ${JSON.stringify(answer)}`);
      await systemClock.sleep(500);
    }
  }

  #exchange(path: string, given: { kept: boolean; key?: string; body?: string }): Promise<Answer> {
    const { url, key: apiKey } = this.#options;
    const { kept, key, body } = given;
    const headers = {
      authorization: `Bearer ${apiKey}`,
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(body !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      }),
    };
    const method = body === undefined ? 'GET' : 'POST';
    const agent = kept ? this.#kept : false;
    return new Promise((resolve, reject) => {
      const asked = request(new URL(path, url), { method, headers, agent, timeout: silenceMs });
      asked.on('timeout', () => asked.destroy(new Error(`nothing for ${silenceMs / 1_000} s`)));
      asked.on('error', reject);
      asked.on('response', (response) => {
        text(response).then((content) => {
          const retryAfterMs = 1_000 * Number(response.headers['retry-after'] ?? 0);
          const answered = parsed(content);
          if (answered) resolve({ status: response.statusCode ?? 0, body: answered, retryAfterMs });
          else reject(new Error(`${response.statusCode} that is not Dray's`));
        }, reject);
      });
      asked.end(body);
    });
  }
}

function parsed(content: string): Answer['body'] | undefined {
  try {
    return JSON.parse(content) as Answer['body'];
  } catch {
    return undefined;
  }
}
