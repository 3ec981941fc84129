/** The servers of a run, which it may kill, start again and empty. Each keeps its port. */
import type { Redis as RedisClient } from 'ioredis';
import { readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { startRabbit } from '../../../scripts/services/rabbitmq.mjs';
import { startRedis } from '../../../scripts/services/redis.mjs';
import { startS3 } from '../../../scripts/services/s3.mjs';
import { eventually } from '../../support/eventually.js';

interface Running {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export class Server<S extends Running> {
  readonly folder: string;
  readonly #start: (port?: number) => Promise<S>;
  #running: S;

  static async start<S extends Running>(
    folder: string,
    start: (options: { folder: string; port?: number }) => Promise<S>,
  ): Promise<Server<S>> {
    const again = (port?: number) => start({ folder, ...(port !== undefined && { port }) });
    return new Server(folder, again, await again());
  }

  private constructor(folder: string, start: (port?: number) => Promise<S>, running: S) {
    this.folder = folder;
    this.#start = start;
    this.#running = running;
  }

  get now(): S {
    return this.#running;
  }

  get url(): string {
    return this.#running.url;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#running.kill();
  }

  async stop(): Promise<void> {
    await this.#running.stop();
  }

  /** With the data that it had, where it was. */
  async restart(): Promise<void> {
    this.#running = await this.#start(this.#running.port);
  }
}

export type Rabbit = Server<Awaited<ReturnType<typeof startRabbit>>>;
export type Redis = Server<Awaited<ReturnType<typeof startRedis>>>;
export type S3 = Server<Awaited<ReturnType<typeof startS3>>>;

export const startOwnRabbit = (folder: string): Promise<Rabbit> => Server.start(folder, startRabbit);

export const startOwnRedis = (folder: string, appendfsync: 'always' | 'everysec' | 'no'): Promise<Redis> =>
  Server.start(folder, (options) => startRedis({ ...options, appendfsync }));

export const startOwnS3 = (folder: string): Promise<S3> => Server.start(folder, startS3);

/** Takes all queues and messages from it, while it is stopped. */
export async function emptyRabbit(rabbit: Rabbit): Promise<void> {
  await rm(join(rabbit.folder, 'data'), { recursive: true, force: true });
}

/** The file to which Redis appends what changes. */
async function journal(redis: Redis): Promise<string> {
  const folder = join(redis.folder, 'appendonlydir');
  const names = (await readdir(folder)).filter((file) => file.endsWith('.incr.aof'));
  const number = (name: string): number => Number(/(\d+)\.incr/.exec(name)![1]);
  return join(folder, names.sort((a, b) => number(a) - number(b)).at(-1)!);
}

/** Where it ends: a rewriting begins another file. */
export async function journalEnd(redis: Redis): Promise<{ readonly file: string; readonly bytes: number }> {
  const file = await journal(redis);
  return { file, bytes: (await stat(file)).size };
}

/**
 * Takes from Redis, while it is stopped, what it wrote last: as a machine without power does that had not synced.
 * Redis 7.0 leaves the beginning of a transaction in the file that was cut within a command, and at the start after
 * the next one carries it out: `rewriteJournal` prevents that.
 */
export async function cutJournal(redis: Redis, bytes: number): Promise<void> {
  await truncate(await journal(redis), bytes);
}

export async function rewriteJournal(client: RedisClient): Promise<void> {
  await client.bgrewriteaof().catch(() => undefined); // the leader may have asked for it already
  await eventually(
    () => client.info('persistence'),
    (info) => /aof_rewrite_in_progress:0\r[^]*aof_rewrite_scheduled:0\r/.test(info),
  );
}
