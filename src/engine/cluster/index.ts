/** The engine past one machine: Redis keeps the record, RabbitMQ hands it out. */
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import { limits } from '../../jobs/limits.js';
import { decodeCursor, encodeCursor } from '../cursor.js';
import type { Engine, Job, JobEvent, Lease, Outcome, Standing, TypeCounts, UntoldEnd } from '../engine.js';
import { leaseExpired } from '../lease-expired.js';
import { Listeners } from '../listeners.js';
import { OutputListeners } from '../output-listeners.js';
import { submittedJob } from '../submitted.js';
import { openBroker, type Broker } from './broker/broker.js';
import { readCounts, type CountFields } from './counts.js';
import { RedisFleet, type Fleet } from './fleet.js';
import { HandOut } from './hand-out.js';
import { Maintenance } from './maintenance.js';
import type { ClusterOptions } from './options.js';
import { readRecord, storedPayload, type RecordFields } from './records.js';
import { RedisLink } from './redis.js';
import { Store } from './store.js';

export type { ClusterOptions } from './options.js';

export interface ClusterStats {
  /** Messages that RabbitMQ has not confirmed yet, of all processes, and how long the oldest has waited, in ms. */
  readonly outbox: { readonly jobs: number; readonly oldestMs: number };
  /** Counted by this process. */
  readonly redelivered: number;
  readonly stale: number;
  readonly reemitted: number;
  readonly deadLettered: number;
}

export interface ClusterEngine extends Engine {
  readonly fleet: Fleet;
  /** False where jobs wait that this process asked for, and none has come for so long that consuming must be stuck. */
  readonly consuming: boolean;
  stats(): Promise<ClusterStats>;
  /** Of Redis, in bytes; `max` is 0 where it has no bound. */
  memory(): Promise<{ readonly used: number; readonly max: number }>;
  /**
   * A process is said to be gone, by the message that it held in RabbitMQ: where its connection to Redis is gone too,
   * its jobs go to others at once. A RabbitMQ that was restarted says it of processes that live.
   * @returns how many leases ended.
   */
  processGone(params: { process: string }): Promise<number>;
  /** Resolves when no claim waits for a job that is there: for tests, which cannot see what is under way. */
  settled(): Promise<void>;
}

/** @throws DrayError where an address cannot be used or its server refuses us. A server that is away is waited for. */
export async function openClusterEngine(options: ClusterOptions): Promise<ClusterEngine> {
  const { clock, log, prefix = 'dray', process = 'dray' } = options;
  const time = () => (options.time ? String(options.time.now()) : '');
  const link = await RedisLink.open({
    url: options.state,
    prefix: `${prefix}:`,
    name: connectionName(process),
    log,
    time,
  });
  try {
    const broker = await openBroker({ url: options.queue, clock, log, prefix });
    const engine = new RedisRabbitEngine({ options, link, broker, time });
    await engine.watch();
    return engine;
  } catch (error) {
    link.close();
    throw error;
  }
}

/** Redis takes no spaces in it. */
function connectionName(process: string): string {
  return `dray:${process.replaceAll(/\s/g, '_')}`;
}

const defaultMostUnsent = 100_000;
const maintainLimit = 1_000;
const defaultLingerMs = 1_000;
const defaultGatherMs = 20;
/** A claim that has got nothing for so long while jobs waited for longer says that consuming is stuck, in ms. */
const stuckMs = 60_000;
const lookMs = 5_000;
/** How often Redis is asked again whether a process is there that is said to be gone, and after how long, in ms. */
const looks = 5;
const lookAgainMs = 20;

class RedisRabbitEngine implements ClusterEngine {
  readonly fleet: Fleet;
  readonly #link: RedisLink;
  readonly #broker: Broker;
  readonly #store: Store;
  readonly #handOut: HandOut;
  readonly #maintenance: Maintenance;
  readonly #clock: Clock;
  readonly #keepForMs: number;
  readonly #mostUnsent: number;
  readonly #listeners = new Listeners();
  readonly #output: OutputListeners;
  readonly #stopLooking: () => void;
  #consuming = true;

  constructor(params: { options: ClusterOptions; link: RedisLink; broker: Broker; time: () => string }) {
    const { link, broker, time } = params;
    const { clock, log, keepForMs, lingerMs = defaultLingerMs, gatherMs = defaultGatherMs } = params.options;
    this.#link = link;
    this.#broker = broker;
    this.#clock = clock;
    this.#keepForMs = keepForMs;
    // A channel of each job's own: nobody gets what he does not listen to.
    this.#output = new OutputListeners({
      first: (id) => void link.subscribe(this.#outputOf(id), (text) => this.#output.tell({ id, text })),
      last: (id) => link.unsubscribe(this.#outputOf(id)),
    });
    this.#mostUnsent = params.options.mostUnsent ?? defaultMostUnsent;
    this.fleet = new RedisFleet(link);
    this.#store = new Store({ link, broker, clock, time });
    this.#handOut = new HandOut({ store: this.#store, broker, clock, log, keepForMs, lingerMs, gatherMs });
    this.#maintenance = new Maintenance({
      store: this.#store,
      broker,
      clock: params.options.time ?? clock,
      log,
    });
    this.#stopLooking = clock.every(lookMs, () => void this.#look());
  }

  get consuming(): boolean {
    return this.#consuming;
  }

  async submit({ jobs, once }: Parameters<Engine['submit']>[0]): ReturnType<Engine['submit']> {
    const rest = { ...(once && { once }), mostUnsent: this.#mostUnsent };
    const { now, result, sent } = await this.#store.submit(jobs, rest);
    const [kind, detail] = result as readonly [string, unknown?];
    switch (kind) {
      case 'conflict':
      case 'unknown':
        return { kind };
      case 'repeated':
        return { kind, jobs: (detail as RecordFields[]).map((fields) => readRecord(fields).job) };
      case 'exists':
        throw new Error(`there is a job ${String(detail)} already`);
      case 'full':
        throw new DrayError('unavailable', 'RabbitMQ is away, and as many jobs wait for it as may.');
    }
    await sent;
    const held = detail as readonly string[] | undefined;
    return {
      kind: 'stored',
      jobs: jobs.map((job, index) => submittedJob(job, now, held?.[index] === '1')),
    };
  }

  claim(params: Parameters<Engine['claim']>[0]): Promise<readonly Lease[]> {
    return this.#handOut.claim(params);
  }

  heartbeat({ leases, leaseMs }: Parameters<Engine['heartbeat']>[0]): Promise<readonly Outcome[]> {
    return Promise.all(
      leases.map(({ id, token, progress, startedAt }) =>
        this.#outcome('heartbeat', {
          ...{ id, token, leaseMs, startedAt },
          progress: progress && JSON.stringify(progress),
        }),
      ),
    );
  }

  complete(params: Parameters<Engine['complete']>[0]): Promise<Outcome> {
    const { id, token, result, peakMemory, ranMs, blobs = [] } = params;
    const payload = storedPayload(result);
    return this.#outcome('complete', {
      ...{ id, token, ranMs, ...payload, peak: peakMemory },
      // The blob that holds the result is used by the job whether its caller named it or not.
      blobs: [...new Set(payload.blob === undefined ? blobs : [...blobs, payload.blob])],
    });
  }

  fail(params: Parameters<Engine['fail']>[0]): Promise<Outcome> {
    const { id, token, error, retryInMs, peakMemory, ranMs, blobs = [] } = params;
    const request = { id, token, error: JSON.stringify(error), retryInMs, peak: peakMemory, ranMs, blobs };
    return this.#outcome('fail', request);
  }

  release({ id, token }: { id: string; token: string }): Promise<Outcome> {
    return this.#outcome('release', { id, token });
  }

  cancel({ id }: { id: string }): Promise<Outcome> {
    return this.#outcome('cancel', { id });
  }

  redrive({ id }: { id: string }): Promise<Outcome> {
    return this.#outcome('redrive', { id });
  }

  async changeAll(params: Parameters<Engine['changeAll']>[0]): ReturnType<Engine['changeAll']> {
    let changed = 0;
    for (let before: number | undefined; ;) {
      const request = { ...params, before, limit: params.limit - changed };
      const [some, next] = (await this.#store.one('change-all', request)) as [number, number];
      changed += some;
      if (next < 0 || changed >= params.limit) return { changed, more: next >= 0 };
      before = next;
    }
  }

  async pause({ type }: { type: string }): Promise<void> {
    await this.#store.one('pause', { type, paused: true });
    this.#handOut.pauseChanged(type, true);
  }

  async resume({ type }: { type: string }): Promise<void> {
    await this.#store.one('pause', { type, paused: false });
    this.#handOut.pauseChanged(type, false);
  }

  get({ id }: { id: string }): Promise<Job | undefined> {
    return this.#store.get(id);
  }

  async standing({ id }: { id: string }): Promise<Standing | undefined> {
    const answer = (await this.#store.one('standing', { id, limit: limits.ahead })) as
      readonly [RecordFields, number, number, number, number] | readonly [];
    if (answer.length === 0) return undefined;
    const [fields, paused, ahead, taken, places] = answer;
    const { job } = readRecord(fields);
    return { job, paused: paused === 1, ahead, ...(taken >= 0 && { key: { taken, places } }) };
  }

  async list(params: Parameters<Engine['list']>[0]): ReturnType<Engine['list']> {
    const { cursor, limit, status, type, label } = params;
    let before = cursor === undefined ? undefined : decodeCursor(cursor);
    for (;;) {
      const request = { filter: { status, type, label }, before, limit, bytes: limits.listBytes };
      const [records, next] = (await this.#store.one('list', request)) as [RecordFields[], number];
      const jobs = records.map((fields) => readRecord(fields).job);
      if (next < 0) return { jobs };
      if (jobs.length > 0) return { jobs, nextCursor: encodeCursor(next) };
      before = next;
    }
  }

  async counts(): Promise<readonly TypeCounts[]> {
    return readCounts((await this.#store.one('counts', {})) as readonly CountFields[]);
  }

  subscribe(listener: (event: JobEvent) => void): () => void {
    return this.#listeners.add(listener);
  }

  tell({ id, text }: { id: string; text: string }): void {
    void this.#link.use((redis) => redis.publish(this.#outputOf(id), text)).catch(() => undefined);
  }

  listen(params: Parameters<Engine['listen']>[0]): () => void {
    return this.#output.add(params);
  }

  async maintain(): ReturnType<Engine['maintain']> {
    await this.#maintenance.followClock();
    const answer = await this.#expire();
    await this.#maintenance.pass();
    return answer;
  }

  async #expire(): ReturnType<Engine['maintain']> {
    const request = { limit: maintainLimit, error: JSON.stringify(leaseExpired) };
    const [released, expired, due] = (await this.#store.one('maintain', request)) as [number, number, number];
    return { released, expired, ...(due >= 0 && { nextDueInMs: due }) };
  }

  async prune({ before, keep, limit }: Parameters<Engine['prune']>[0]): ReturnType<Engine['prune']> {
    const request = {
      ...{ before, limit, stubMs: this.#keepForMs },
      ...(Number.isFinite(keep) && { keep }),
    };
    const [removed, blobs, more] = (await this.#store.one('prune', request)) as [number, string[], number];
    return { removed, blobs, more: more === 1 };
  }

  async unusedBlobs({ blobs }: { blobs: readonly string[] }): Promise<readonly string[]> {
    return (await this.#store.one('unused-blobs', { blobs })) as string[];
  }

  async projections({ limit }: { limit: number }): Promise<readonly UntoldEnd[]> {
    const found = (await this.#store.one('projections', { limit })) as [string, string, string][];
    return found.map(([id, projection, mark]) => ({ id, projection, mark }));
  }

  async projected({ ends }: Parameters<Engine['projected']>[0]): Promise<void> {
    await this.#store.one('projected', {
      ends: ends.map(({ mark, againInMs }) => [mark, againInMs === undefined ? -1 : Math.ceil(againInMs)]),
    });
  }

  async processGone({ process }: { process: string }): Promise<number> {
    // Of a process that died RabbitMQ may have heard a moment before Redis.
    for (let look = 0; await this.#link.knows(connectionName(process)); look += 1) {
      if (look === looks) return 0;
      await this.#clock.sleep(lookAgainMs);
    }
    const lapsed = (await this.#store.one('lapse', { process })) as number;
    if (lapsed > 0) await this.#expire();
    return lapsed;
  }

  async stats(): Promise<ClusterStats> {
    return {
      outbox: await this.#store.outbox(),
      redelivered: this.#broker.totals.redelivered,
      stale: this.#handOut.stale,
      deadLettered: this.#handOut.deadLettered,
      reemitted: this.#maintenance.reemitted,
    };
  }

  async memory(): ReturnType<ClusterEngine['memory']> {
    const info = await this.#link.info('memory');
    return { used: Number(info.get('used_memory') ?? 0), max: Number(info.get('maxmemory') ?? 0) };
  }

  ping(): Promise<void> {
    return this.#link.ping();
  }

  async settled(): Promise<void> {
    for (;;) {
      const { types } = this.#handOut.hungry;
      const ready = (await this.#store.readyTypes()).filter(({ name }) => types.includes(name));
      if (ready.every(({ queues }) => queues.every(({ waiting }) => waiting === 0))) break;
      await this.#clock.sleep(2);
    }
    await this.ping();
  }

  async close(): Promise<void> {
    this.#stopLooking();
    await this.#handOut.close();
    await this.#store.sent();
    await this.#broker.close();
    this.#link.close();
  }

  #outputOf(id: string): string {
    return `${this.#link.prefix}output:${id}`;
  }

  #outcome(name: Parameters<Store['one']>[0], request: object): Promise<Outcome> {
    return this.#store.one(name, request) as Promise<Outcome>;
  }

  /** Events come from Redis, also those of this process: then all see them in one order. */
  watch(): Promise<void> {
    return this.#link.subscribe(`${this.#link.prefix}events`, (text) => {
      const events = (JSON.parse(text) as string[]).map(readEvent);
      for (const { id, type, status } of events) {
        if (id === '') this.#handOut.pauseChanged(type, status === 'paused');
      }
      this.#listeners.tell(
        events.filter(({ id }) => id !== ''),
        (event) => event as JobEvent,
      );
    });
  }

  /** Whether what this process waits for is there and does not come. */
  async #look(): Promise<void> {
    this.#link.probe();
    const { types, forMs } = this.#handOut.hungry;
    if (forMs < stuckMs) {
      this.#consuming = true;
      return;
    }
    try {
      const now = await this.#store.time();
      const waits = (await this.counts()).some(
        ({ type, paused, oldestPendingAt }) =>
          types.includes(type) && !paused && oldestPendingAt !== undefined && now - oldestPendingAt > stuckMs,
      );
      this.#consuming = !waits;
    } catch {
      // A Redis that is away is no fault of ours.
    }
  }
}

/** See shared.lua: the type comes last, as it may hold any character. Without an id it is about the type itself. */
function readEvent(text: string): Omit<JobEvent, 'status'> & { readonly status: string } {
  const [id, status, version] = text.split(' ', 3) as [string, string, string];
  const type = text.slice(id.length + status.length + version.length + 3);
  return { id, type, status, version: Number(version) };
}
