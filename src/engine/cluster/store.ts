/** The records in Redis: every operation is one script over a batch, and what it makes ready is published. */
import type { Clock } from '../../clock.js';
import { priorities, type Priority } from '../../jobs/priority.js';
import type { Job, NewJob } from '../engine.js';
import { Batch } from './batch.js';
import type { Broker, Outgoing } from './broker/broker.js';
import type { ClaimAnswer, ClaimStore } from './hand-out.js';
import { writeMessage, type ReadyMessage } from './message.js';
import { readRecord, staticJson, storedJob, type RecordFields } from './records.js';
import type { MessageParts, RedisLink } from './redis.js';
import type { ScriptName } from './scripts.js';

export interface TypeQueues {
  readonly name: string;
  readonly queues: readonly {
    readonly priority: Priority;
    readonly waiting: number;
    /** Of the messages that were claimed, when the latest was emitted. */
    readonly claimedUpTo: number;
  }[];
}

export class Store implements ClaimStore {
  readonly #link: RedisLink;
  readonly #broker: Broker;
  readonly #clock: Clock;
  readonly #time: () => string;
  readonly #batches = new Map<ScriptName, Batch<object, unknown>>();
  /** Messages that RabbitMQ has, and that are still in the outbox. */
  readonly #confirmed: string[] = [];
  #clearing = false;
  /** Messages that were sent, until what came of them is written down. */
  readonly #underWay = new Set<Promise<void>>();

  constructor(params: { link: RedisLink; broker: Broker; clock: Clock; time: () => string }) {
    this.#link = params.link;
    this.#broker = params.broker;
    this.#clock = params.clock;
    this.#time = params.time;
  }

  /** One request, together with others of this turn of the event loop. */
  one(name: ScriptName, request: object): Promise<unknown> {
    let batch = this.#batches.get(name);
    if (!batch) {
      batch = new Batch(async (requests) => (await this.#call(name, requests)).results);
      this.#batches.set(name, batch);
    }
    return batch.add(request);
  }

  readonly #submits = new Batch<{ request: object; own: OwnJobs }, SubmitAnswer>(
    async (calls) => {
      const own: OwnJobs = new Map(calls.flatMap((call) => [...call.own]));
      const { now, results, sent } = await this.#call(
        'submit',
        calls.map(({ request }) => request),
        own,
      );
      return results.map((result) => ({ now, result: result as readonly unknown[], sent }));
    },
    ({ own }) => own.size,
  );

  /** Resolves when Redis has the jobs; `sent` when RabbitMQ has them, or cannot be asked to. */
  submit(jobs: readonly NewJob[], rest: object): Promise<SubmitAnswer> {
    const own: OwnJobs = new Map(jobs.map((job) => [job.id, { job, json: staticJson(job) }]));
    const stored = jobs.map((job) => storedJob(job, own.get(job.id)!.json));
    return this.#submits.add({ request: { ...rest, jobs: stored }, own });
  }

  readonly #claims = new Batch<{ request: object; jobs: number }, Awaited<ReturnType<ClaimStore['claim']>>>(
    async (calls) => {
      const { now, results } = await this.#call(
        'claim',
        calls.map(({ request }) => request),
      );
      return results.map((answers) => ({ now, answers: answers as readonly ClaimAnswer[] }));
    },
    ({ jobs }) => jobs,
  );

  claim({ ready, ...rest }: Parameters<ClaimStore['claim']>[0]): ReturnType<ClaimStore['claim']> {
    const jobs = ready.map(({ message: { job, emission, emittedAt, createdAt } }) => {
      return [job.id, emission, emittedAt, createdAt];
    });
    return this.#claims.add({ request: { ...rest, jobs }, jobs: jobs.length });
  }

  async revive({ job, createdAt, emission, emittedAt }: ReadyMessage): Promise<void> {
    const json = staticJson(job);
    await this.one('revive', { job: storedJob(job, json), createdAt, emission, emittedAt });
  }

  async get(id: string): Promise<Job | undefined> {
    const fields = (await this.one('get', { id })) as RecordFields;
    return fields.length === 0 ? undefined : readRecord(fields).job;
  }

  /** The moment by the store's clock, in ms since the epoch. */
  async time(): Promise<number> {
    const own = this.#time();
    if (own !== '') return Number(own);
    const [seconds, micros] = await this.#link.use((redis) => redis.time());
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  async runId(): Promise<string> {
    return (await this.#link.info('server')).get('run_id') ?? '';
  }

  /**
   * Has Redis write its file anew. One whose end was lost in the middle of a transaction keeps the half of it, and
   * Redis 7.0 carries that out at the next start.
   */
  async rewriteFile(): Promise<void> {
    await this.#link.use((redis) => redis.bgrewriteaof()).catch(() => undefined); // one may be under way
  }

  /** What waits to be handed out, by type and priority, of types that are not paused. */
  async readyTypes(): Promise<readonly TypeQueues[]> {
    const types = (await this.one('ready', {})) as [string, number[], string[]][];
    return types.map(([name, waiting, claimed]) => ({
      name,
      queues: priorities.map((priority, which) => ({
        priority,
        waiting: waiting[which]!,
        claimedUpTo: Number(claimed[which]),
      })),
    }));
  }

  /** How many messages nobody has seen confirmed, and for how long the oldest, in ms. */
  async outbox(): Promise<{ jobs: number; oldestMs: number }> {
    const [jobs, oldestMs] = (await this.one('unsent', {})) as [number, number];
    return { jobs, oldestMs };
  }

  /** Resolves when all that is to be published is, or was given up. */
  async sent(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #call(
    name: ScriptName,
    requests: readonly object[],
    own?: OwnJobs,
  ): Promise<{ now: number; results: readonly unknown[]; sent: Promise<void> }> {
    const [now, results, messages] = await this.#link.call(name, requests);
    const sent = messages.length === 0 ? nothing : this.#send(now, messages, own);
    return { now, results, sent };
  }

  #send(now: number, parts: readonly MessageParts[], own?: OwnJobs): Promise<void> {
    const outgoing = parts.map(([id, emission, seq, createdAt, type, priority, json]): Outgoing => {
      if (type === undefined) {
        const { job, json: ownJson } = own!.get(id)!;
        const body = writeMessage({ emission, seq, createdAt: now, emittedAt: now }, ownJson);
        return { id, type: job.type, priority: job.priority, emission, body };
      }
      const body = writeMessage({ emission, seq, createdAt: Number(createdAt), emittedAt: now }, json!);
      return { id, type, priority: priority as Priority, emission, body };
    });
    return this.#track(this.#publish(outgoing, 0));
  }

  /**
   * A queue that is just being made may refuse its first messages. What is refused again stays in the outbox, for a
   * leader to send.
   */
  async #publish(outgoing: readonly Outgoing[], tried: number): Promise<void> {
    const confirmed = await this.#broker.publish(outgoing);
    const entries = outgoing
      .filter((_, index) => confirmed[index])
      .map(({ id, emission }) => `${id} ${emission}`);
    // Nobody waits for it: an entry that stays is sent again, which changes nothing.
    this.#confirmed.push(...entries);
    if (!this.#clearing) void this.#track(this.#clear());
    const pause = pausesMs[tried];
    if (entries.length === outgoing.length || pause === undefined || !this.#broker.reachable) return;
    const refused = outgoing.filter((_, index) => !confirmed[index]);
    void this.#track(this.#clock.sleep(pause).then(() => this.#publish(refused, tried + 1)));
  }

  /** What is confirmed meanwhile goes together, as each of these costs Redis a sync, for which all others wait. */
  async #clear(): Promise<void> {
    this.#clearing = true;
    while (this.#confirmed.length > 0) {
      if (this.#confirmed.length < mostCleared) await this.#clock.sleep(clearAfterMs);
      const entries = this.#confirmed.splice(0, mostCleared);
      await this.one('sent', { entries }).catch(() => undefined);
    }
    this.#clearing = false;
  }

  #track(work: Promise<void>): Promise<void> {
    this.#underWay.add(work);
    void work.then(() => this.#underWay.delete(work));
    return work;
  }
}

/** Before messages that RabbitMQ refused are sent again, in ms. */
const pausesMs = [20, 200, 1_000];
/** How long a confirmed message stays in the outbox, in ms: far less than the time after which it would be sent again. */
const clearAfterMs = 50;
/** Entries of the outbox that are removed by one command. */
const mostCleared = 1_000;
const nothing = Promise.resolve();

/** The jobs that a call stores, with their static part. */
type OwnJobs = ReadonlyMap<string, { readonly job: NewJob; readonly json: string }>;

export interface SubmitAnswer {
  readonly now: number;
  readonly result: readonly unknown[];
  readonly sent: Promise<void>;
}
