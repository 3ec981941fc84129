/** A seeded load of all kinds of jobs, by a client that repeats whatever got no answer; and what must become of it. */
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '../../src/clock.js';
import { isFinal, statuses, type Status } from '../../src/jobs/life-cycle.js';
import { priorities } from '../../src/jobs/priority.js';
import type { Job } from '../support/api.js';
import type { Random } from '../support/random.js';

/** A job to submit, and how it may end. */
interface Wanted {
  readonly body: object;
  readonly ends: readonly Status[];
  /** Of a completed one. */
  readonly result?: unknown;
  /** Cancelled as soon as it is accepted. */
  readonly cancel: boolean;
}

interface Submission {
  readonly key: string;
  readonly batch: boolean;
  /** Sent a second time though it was answered. */
  readonly again: boolean;
  readonly jobs: readonly Wanted[];
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Accepted {
  readonly wanted: Wanted;
  /** When the answer came, on the monotonic clock. */
  readonly at: number;
  /** The cancel was answered with 200. */
  cancelled: boolean;
}

const connections = 8;
const pauseMs = 20;
/** Enough for every attempt that a dying server or a full disk costs. */
const patient = { attempts: 100, baseMs: 5, capMs: 500 };
/** Of the jobs that fail by their own design until they are re-driven. */
const redriveLabel = { after: 'redrive' };

export class MixedLoad {
  readonly accepted = new Map<string, Accepted>();
  readonly total: number;
  /** Requests that got no answer, and those whose answer said to come back. */
  unanswered = 0;
  refused = 0;
  replayed = 0;
  readonly #submissions: Submission[];
  readonly #comeBack: readonly number[];
  #next = 0;
  #allowed = 0;
  #urls: readonly string[] = [];
  #turn = 0;
  #failure: unknown;

  /**
   * @param options.comeBack answers after which a request is sent again.
   * @param options.plain jobs that may run at once, and end by themselves in their first attempt; none is sent twice.
   */
  constructor(
    random: Random,
    jobs: number,
    options: { readonly comeBack?: readonly number[]; readonly plain?: boolean } = {},
  ) {
    const { comeBack = [503, 507], plain = false } = options;
    this.#comeBack = comeBack;
    this.#submissions = [];
    this.total = jobs;
    for (let left = jobs; left > 0;) {
      const size = random.chance(0.3) ? Math.min(left, random.between(2, 10)) : 1;
      const wanted = Array.from({ length: size }, () => (plain ? plainJob(random) : anyJob(random)));
      const batch = size > 1 || random.chance(0.1);
      const key = `load-${this.#submissions.length}`;
      this.#submissions.push({ key, batch, jobs: wanted, again: !plain && random.chance(0.1) });
      left -= size;
    }
  }

  /** Where the server is; undefined where there is none, and requests wait for the next one. */
  set url(url: string | undefined) {
    this.#urls = url === undefined ? [] : [url];
  }

  /** Where the servers are, which take turns. */
  set urls(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** Lets so many of all jobs be submitted; the rest waits. */
  allow(share: number): void {
    this.#allowed = Math.ceil(share * this.#submissions.length);
  }

  /** Nobody waits for the jobs any more. */
  stop(): void {
    this.#failure ??= new Error('the load was stopped');
  }

  /** Resolves once all are accepted. @throws Error for an answer that breaks a promise. */
  async submitAll(): Promise<void> {
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (this.#next < this.#submissions.length && this.#failure === undefined) {
          if (this.#next >= this.#allowed) await systemClock.sleep(pauseMs);
          else await this.#submit(this.#submissions[this.#next++]!);
        }
      }).map((sending) => sending.catch((error: unknown) => (this.#failure ??= error))),
    );
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  /**
   * The jobs as the server lists them, once all have ended. Those that wait for it are re-driven.
   * @param options.but so many that are known to go on.
   * @throws the signal's reason when it aborts before.
   */
  async allEnded(options: { readonly signal?: AbortSignal; readonly but?: number } = {}): Promise<Job[]> {
    const { signal, but = 0 } = options;
    for (;;) {
      signal?.throwIfAborted();
      const redriven = await this.#ask(
        '/v1/jobs/redrive',
        JSON.stringify({ status: 'failed', label: 'after=redrive' }),
      );
      const { changed } = redriven.body as { changed: number };
      if (changed === 0 && (await this.#unfinished()) <= but) return this.#list();
      await systemClock.sleep(10 * pauseMs);
    }
  }

  /**
   * What is wrong with the jobs, now that all have ended.
   * @param others how many jobs there are besides those of the load.
   */
  async check(jobs: readonly Job[], others = 0): Promise<string[]> {
    const wrong: string[] = [];
    const byId = new Map(jobs.map((job) => [job.id, job]));
    const expected = this.total + others;
    if (jobs.length !== expected) wrong.push(`${jobs.length} jobs for ${expected} that were submitted`);
    for (const [id, { wanted, cancelled }] of this.accepted) {
      const job = byId.get(id);
      if (!job) wrong.push(`job ${id} was accepted, and is lost`);
      else if (cancelled && job.status !== 'cancelled')
        wrong.push(`job ${id} was cancelled, and is ${job.status}`);
      else if (!wanted.ends.includes(job.status) && !(wanted.cancel && job.status === 'cancelled'))
        wrong.push(`job ${id} is ${job.status}: ${JSON.stringify({ ...job, input: undefined })}`);
      else if (job.status === 'completed' && wanted.result !== undefined) {
        const result = job.result ?? (await this.#get(`/v1/jobs/${id}/result`));
        if (!isDeepStrictEqual(result, wanted.result))
          wrong.push(`job ${id} has another result than its own`);
      }
    }
    return wrong;
  }

  async #submit(submission: Submission): Promise<void> {
    const { key, batch, jobs, again } = submission;
    const bodies = jobs.map(({ body }) => body);
    const send = () =>
      batch
        ? this.#ask('/v1/jobs/batch', JSON.stringify({ jobs: bodies }), key)
        : this.#ask('/v1/jobs', JSON.stringify(bodies[0]), key);
    const ids = idsOf(await send());
    if (ids.length !== jobs.length) throw new Error(`${ids.length} jobs for ${jobs.length} of ${key}`);
    jobs.forEach((wanted, index) =>
      this.accepted.set(ids[index]!, { wanted, at: systemClock.monotonic(), cancelled: false }),
    );
    for (const [index, { cancel }] of jobs.entries()) {
      if (!cancel) continue;
      const { status } = await this.#ask(`/v1/jobs/${ids[index]!}/cancel`, undefined);
      if (status === 200) this.accepted.get(ids[index]!)!.cancelled = true;
    }
    if (!again) return;
    const second = await send();
    if (second.status !== 200 || !isDeepStrictEqual(idsOf(second), ids))
      throw new Error(`${key}, sent again, got ${second.status} ${idsOf(second).join()} for ${ids.join()}`);
  }

  /** Posts until there is an answer, from whichever server. */
  async #ask(path: string, body: string | undefined, key?: string): Promise<Answer> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure as Error;
      const url = this.#urls[this.#turn++ % this.#urls.length];
      const answer = url === undefined ? undefined : await this.#post(url + path, body, key);
      if (answer) return answer;
      await systemClock.sleep(pauseMs);
    }
  }

  /** @returns undefined where there was no answer, or one that said to come back. */
  async #post(url: string, body: string | undefined, key?: string): Promise<Answer | undefined> {
    let answer: Answer;
    try {
      const response = await fetch(url, {
        method: 'POST',
        ...(body !== undefined && { body }),
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(key !== undefined && { 'idempotency-key': key }),
        },
      });
      answer = { status: response.status, body: await response.json() };
      if (response.headers.has('idempotency-replayed')) this.replayed += 1;
    } catch {
      this.unanswered += 1;
      return undefined;
    }
    const { status } = answer;
    // A job that cannot be cancelled any more has ended, or was cancelled by a request that got no answer.
    if (status < 300 || (status === 409 && key === undefined)) return answer;
    if (!this.#comeBack.includes(status)) throw new Error(`${url}: ${status} ${JSON.stringify(answer.body)}`);
    this.refused += 1;
    return undefined;
  }

  /** By the counts: a list of all jobs, again and again, would be most of what the server does. */
  async #unfinished(): Promise<number> {
    const { queues } = (await this.#get('/v1/queues')) as { queues: { jobs: Record<Status, number> }[] };
    return queues
      .flatMap(({ jobs }) => statuses.map((status) => (isFinal(status) ? 0 : jobs[status])))
      .reduce((sum, count) => sum + count, 0);
  }

  async #list(): Promise<Job[]> {
    const jobs: Job[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await this.#get(`/v1/jobs?limit=1000${cursor && `&cursor=${cursor}`}`);
      const answer = page as { jobs: Job[]; nextCursor: string | null };
      jobs.push(...answer.jobs);
      cursor = answer.nextCursor;
    }
    return jobs;
  }

  /** What is there, from whichever server answers. @throws Error for an answer that does not say to come back. */
  async #get(path: string): Promise<unknown> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure as Error;
      const url = this.#urls[this.#turn++ % this.#urls.length]! + path;
      const answer = await fetch(url).catch(() => undefined);
      if (answer?.ok) return answer.json();
      if (answer && !this.#comeBack.includes(answer.status))
        throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
      await systemClock.sleep(pauseMs);
    }
  }
}

function anyJob(random: Random): Wanted {
  const key = random.between(0, 9);
  const common = {
    retry: patient,
    priority: random.pick(priorities),
    ...(random.chance(0.2) && { delayMs: random.between(0, 2_000) }),
    ...(random.chance(0.25) && { concurrencyKey: `key-${key}`, maxConcurrency: 1 + (key % 4) }),
    ...(random.chance(0.3) && { labels: { color: random.pick(['red', 'green']) } }),
  };
  const cancel = random.chance(0.1);
  const echo = (length: number): Wanted => {
    const input = { text: random.next().toString(36).padEnd(length, '·') };
    return { body: { ...common, type: 'echo', input }, ends: ['completed'], result: input, cancel };
  };
  const sleep = (input: object, ends: readonly Status[], rest: object = {}): Wanted => {
    const seconds = random.between(0, 50) / 1000;
    return { body: { ...common, type: 'sleep', input: { seconds, ...input }, ...rest }, ends, cancel };
  };
  const kind = random.next();
  if (kind < 0.4) return echo(random.between(0, 200));
  if (kind < 0.45) return echo(random.between(20_000, 50_000));
  if (kind < 0.75) return sleep({}, ['completed']);
  if (kind < 0.85) return sleep({ failTimes: random.between(1, 3) }, ['completed']);
  if (kind < 0.88) return sleep({ crashTimes: 1 }, ['completed']);
  if (kind < 0.93) return sleep({ failWith: 'permanent' }, ['failed']);
  // Two attempts may both be lost to dying servers.
  if (kind < 0.96) return sleep({}, ['completed', 'failed'], { retry: { ...patient, attempts: 2 } });
  const rest = { retry: { ...patient, attempts: 1 }, labels: redriveLabel };
  return sleep({ failTimes: 2 }, ['completed'], rest);
}

function plainJob(random: Random): Wanted {
  const priority = random.pick(priorities);
  const input = { text: random.next().toString(36) };
  if (random.chance(0.5))
    return { body: { type: 'echo', input, priority }, ends: ['completed'], result: input, cancel: false };
  const seconds = random.between(0, 50) / 1000;
  return { body: { type: 'sleep', input: { seconds }, priority }, ends: ['completed'], cancel: false };
}

function idsOf({ body }: Answer): string[] {
  const { jobs, id } = body as { jobs?: { id: string }[]; id?: string };
  return jobs?.map((job) => job.id) ?? [id!];
}
