/** Servers of a test's own, which it may kill, and engines on them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rabbitPrograms, startRabbit } from '../../../scripts/services/rabbitmq.mjs';
import { redisProgram, startRedis } from '../../../scripts/services/redis.mjs';
import { systemClock } from '../../../src/clock.js';
import {
  openClusterEngine,
  type ClusterEngine,
  type ClusterOptions,
} from '../../../src/engine/cluster/index.js';
import type { Lease, NewJob } from '../../../src/engine/engine.js';
import { defaultRetry } from '../../../src/jobs/retry.js';

/** True where this machine has both; in CI it must. */
export function canStart(): boolean {
  try {
    redisProgram();
    rabbitPrograms();
    return true;
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error;
    return false;
  }
}

type Redis = Awaited<ReturnType<typeof startRedis>>;
type Rabbit = Awaited<ReturnType<typeof startRabbit>>;

export class OwnServers {
  readonly folder: string;
  redis: Redis;
  rabbit: Rabbit;
  /** Added to the time by which jobs are stored, in ms. */
  ahead = 0;
  readonly #engines: ClusterEngine[] = [];

  private constructor(folder: string, redis: Redis, rabbit: Rabbit) {
    this.folder = folder;
    this.redis = redis;
    this.rabbit = rabbit;
  }

  static async start(): Promise<OwnServers> {
    const folder = await mkdtemp(join(tmpdir(), 'dray-servers-'));
    const [redis, rabbit] = await Promise.all([
      startRedis({ folder: join(folder, 'redis') }),
      startRabbit({ folder: join(folder, 'rabbit') }),
    ]);
    return new OwnServers(folder, redis, rabbit);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
    await Promise.all([this.redis.kill(), this.rabbit.kill()]);
    await rm(this.folder, { recursive: true, force: true });
  }

  async engine(given: Partial<ClusterOptions> = {}): Promise<ClusterEngine> {
    const engine = await openClusterEngine({
      queue: this.rabbit.url,
      state: this.redis.url,
      clock: systemClock,
      time: {
        now: () => systemClock.now() + this.ahead,
        monotonic: () => systemClock.monotonic() + this.ahead,
      },
      log: { info: () => undefined, warn: () => undefined },
      keepForMs: 3_600_000,
      ...given,
    });
    this.#engines.push(engine);
    return engine;
  }

  async restartRedis(): Promise<void> {
    await this.redis.kill();
    this.redis = await startRedis({ folder: join(this.folder, 'redis'), port: this.redis.port });
  }

  /** @param emptied without what its queues held. */
  async restartRabbit({ emptied = false } = {}): Promise<void> {
    await this.rabbit.kill();
    const folder = join(this.folder, 'rabbit');
    if (emptied) await rm(folder, { recursive: true });
    this.rabbit = await startRabbit({ folder, port: this.rabbit.port });
  }
}

export function newJob(given: Partial<NewJob> = {}): NewJob {
  return {
    id: systemClock.id(),
    type: `type-${systemClock.token().slice(0, 8)}`,
    input: { inline: { text: 'hello' } },
    retry: defaultRetry,
    timeoutMs: 60_000,
    work: 1,
    priority: 'normal',
    labels: {},
    blobs: [],
    ...given,
  };
}

/** Waits for a job of the type. */
export async function claimOne(engine: ClusterEngine, type: string, leaseMs = 60_000): Promise<Lease> {
  const signal = AbortSignal.timeout(40_000);
  const [lease] = await engine.claim({ worker: 'w', types: [type], max: 1, leaseMs, signal });
  if (!lease) throw new Error(`no job of ${type} came`);
  return lease;
}
