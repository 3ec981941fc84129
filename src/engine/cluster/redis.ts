/** The connection to Redis: scripts are called by their hash, and every failure has a word of its own. */
import { Redis } from 'ioredis';
import { DrayError } from '../../jobs/errors.js';
import { withoutPassword, type Log } from '../../log.js';
import { loadScripts, type Script, type ScriptName } from './scripts.js';

/** A command without an answer for so long has failed, in ms: the server is frozen or cut off. */
const commandMs = 10_000;
/** A connection that says nothing for so long while it is asked is given up, in ms. */
const silentMs = 15_000;
/** Longest time between two attempts to connect, in ms. */
const reconnectMs = 2_000;
const oldestMajor = 7;

/** What one script answers: see shared.lua. */
export type Answer = readonly [now: number, results: readonly unknown[], messages: readonly MessageParts[]];
export type MessageParts = readonly [
  id: string,
  emission: number,
  seq: number,
  /** What follows is not there where the caller has the job. */
  createdAt?: string,
  type?: string,
  priority?: string,
  static_?: string,
];

/** What Redis says where it may serve again later, or somebody must set it right first. */
const passing =
  /^(LOADING|BUSY|MISCONF|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM|UNKILLABLE)/;
const refusals = /^(ERR invalid password|NOAUTH|WRONGPASS|NOPERM|ERR DB index|ERR AUTH)/;

export class RedisLink {
  readonly #url: string;
  readonly #prefix: string;
  readonly #name: string;
  readonly #log: Log;
  readonly #time: () => string;
  readonly #scripts = loadScripts();
  readonly #checked = new Set<ScriptName>();
  readonly #commands: Redis;
  #subscriber: Redis | undefined;
  readonly #channels = new Map<string, (message: string) => void>();
  #away = false;
  /** What the latest connecting met: the library tells of a refused login only here. */
  #trouble: Error | undefined;

  private constructor(params: { url: string; prefix: string; name: string; log: Log; time: () => string }) {
    this.#url = params.url;
    this.#prefix = params.prefix;
    this.#name = params.name;
    this.#log = params.log;
    this.#time = params.time;
    this.#commands = this.#connect();
    this.#commands.on('close', () => {
      if (!this.#away) this.#log.warn('Redis is away', { redis: withoutPassword(this.#url) });
      this.#away = true;
    });
    this.#commands.on('ready', () => {
      if (this.#away) this.#log.info('Redis is back', { redis: withoutPassword(this.#url) });
      this.#away = false;
    });
  }

  /** @throws DrayError where Redis refuses us or cannot be used; one that is away is waited for. */
  static async open(params: {
    url: string;
    prefix: string;
    name: string;
    log: Log;
    /** In ms since the epoch, or '' for the time of Redis. */
    time: () => string;
  }): Promise<RedisLink> {
    const link = new RedisLink(params);
    try {
      await link.#commands.connect();
      await link.#check();
    } catch (error) {
      const refused = link.#refusal(error) ?? link.#refusal(link.#trouble);
      if (refused) {
        link.close();
        throw refused;
      }
      link.#away = true;
      params.log.warn('Redis is away', { redis: withoutPassword(params.url) });
    }
    return link;
  }

  get prefix(): string {
    return this.#prefix;
  }

  /** @throws DrayError `unavailable`: it may have happened or not; `storage-full`: nothing of it happened. */
  async call(name: ScriptName, requests: readonly object[]): Promise<Answer> {
    const script = this.#scripts[name];
    if (!this.#checked.has(name)) checkMembers(script, requests[0]!);
    this.#checked.add(name);
    const args = [1, this.#prefix, this.#time(), JSON.stringify(requests)] as const;
    return this.use(async (redis) => {
      try {
        return (await redis.evalsha(script.sha, ...args)) as Answer;
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
        return (await redis.eval(script.text, ...args)) as Answer;
      }
    });
  }

  /** Runs commands, and gives their failures as ours. */
  async use<T>(run: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await run(this.#commands);
    } catch (error) {
      throw asDrayError(error);
    }
  }

  /** What Redis says of itself in one section of INFO. */
  async info(section: string): Promise<ReadonlyMap<string, string>> {
    return fieldsOf(await this.use((redis) => redis.info(section)));
  }

  /**
   * One connection for all channels, apart from that of the commands: answers to later commands come after what was
   * published before.
   */
  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    this.#channels.set(channel, listener);
    if (this.#subscriber) {
      if (this.#subscriber.status === 'ready')
        await this.#subscriber.subscribe(channel).catch(() => undefined);
      return;
    }
    const subscriber = (this.#subscriber = this.#connect());
    subscriber.on('message', (name: string, message: string) => this.#channels.get(name)?.(message));
    // After each connecting anew too. Where it fails the connection is gone again, and the next one follows.
    const again = () => subscriber.subscribe(...this.#channels.keys()).catch(() => undefined);
    subscriber.on('ready', () => void again());
    await subscriber.connect().then(again, () => undefined);
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel);
    if (this.#subscriber?.status !== 'ready') return;
    void this.#subscriber.unsubscribe(channel).catch(() => undefined); // without it messages come to nobody
  }

  /** Asks the connection that only listens: one that was cut off would be silent for ever, and nobody would know. */
  probe(): void {
    if (this.#subscriber?.status === 'ready') void this.#subscriber.ping().catch(() => undefined);
  }

  /** True where a connection of this name is there. */
  async knows(name: string): Promise<boolean> {
    const list = String(await this.use((redis) => redis.client('LIST')));
    return list.split('\n').some((line) => line.split(' ').includes(`name=${name}`));
  }

  async ping(): Promise<void> {
    await this.use((redis) => redis.ping());
    if (this.#subscriber?.status === 'ready') await this.#subscriber.ping().catch(() => undefined);
  }

  close(): void {
    for (const redis of [this.#commands, this.#subscriber]) redis?.disconnect();
  }

  #connect(): Redis {
    const redis = new Redis(this.#url, {
      lazyConnect: true,
      connectionName: this.#name,
      noDelay: true,
      // A command that was not answered may have been carried out: its caller must know, not have it done twice.
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: commandMs,
      // A server that is cut off says nothing any more, and one that became a replica takes nothing: another connection
      // may find the one that serves now.
      socketTimeout: silentMs,
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
      retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), reconnectMs),
    });
    redis.on('error', (error: Error) => (this.#trouble = error)); // each command says so itself, and 'close' is noted
    return redis;
  }

  async #check(): Promise<void> {
    const info = fieldsOf(await this.#commands.info('server'));
    if (this.#trouble) throw this.#trouble;
    const version = info.get('redis_version') ?? '0';
    if (Number.parseInt(version, 10) < oldestMajor) {
      throw this.#refused(`is version ${version}; Dray needs ${oldestMajor}.0 or later`);
    }
    if (info.get('redis_mode') === 'cluster') {
      throw this.#refused('is a Redis Cluster; Dray needs one Redis, with replicas if you like');
    }
  }

  #refusal(error: unknown): DrayError | undefined {
    if (error instanceof DrayError) return error;
    const message = error instanceof Error ? error.message : '';
    if (!refusals.test(message)) return undefined;
    return this.#refused(`refuses us: ${message}. Check user, password and database in the address`);
  }

  #refused(why: string): DrayError {
    return new DrayError('invalid-request', `--state: the Redis at ${withoutPassword(this.#url)} ${why}.`, {
      field: 'state',
    });
  }
}

/** The lines of an answer to INFO. */
export function fieldsOf(info: string): ReadonlyMap<string, string> {
  return new Map([...info.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name!, value!]));
}

/** So that what a script reads and what it is given cannot drift apart. */
function checkMembers(script: Script, request: object): void {
  const unknown = Object.keys(request).filter((member) => !script.request.includes(member));
  if (unknown.length > 0) throw new TypeError(`${script.name}.lua does not know ${unknown.join(', ')}`);
}

function asDrayError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof DrayError) return error;
  const { message } = error;
  if (message.startsWith('OOM')) {
    return new DrayError(
      'storage-full',
      'Redis has no memory left for new jobs. Raise its maxmemory, or keep fewer jobs.',
    );
  }
  // A script or command that Redis does not take is a mistake of ours; all else is the connection's.
  if (error.name === 'ReplyError' && !passing.test(message)) return error;
  return new DrayError('unavailable', `Redis is away: ${message.split('\n', 1)[0] ?? ''}`);
}
