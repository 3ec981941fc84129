/** What the processes of a deployment know of each other, kept in Redis. */
import type { Worker } from '../../contract/worker.js';
import { defaultPool } from '../../jobs/pools.js';
import type { PoolPlans, ScalingPlan } from '../../jobs/scaling.js';
import type { RedisLink } from './redis.js';

/** What the processes of a deployment know of each other. Kept in Redis; each entry but its name ends by itself. */
export interface Fleet {
  /** True where `holder` leads for the next `forMs`: the others get false until then. Said again, it goes on. */
  lead(params: { holder: string; forMs: number }): Promise<boolean>;
  /** Lets another lead at once. */
  resign(params: { holder: string }): Promise<void>;
  leader(): Promise<string | undefined>;
  /** Makes the workers of one process known for the next `forMs`. */
  announce(params: { process: string; workers: readonly Worker[]; forMs: number }): Promise<void>;
  workers(): Promise<readonly Worker[]>;
  /** Makes the plan of a pool known for the next `forMs`, and for ever that there are these pools and no others. */
  publishPlan(params: {
    pool: string;
    pools: readonly string[];
    plan: ScalingPlan;
    forMs: number;
  }): Promise<void>;
  /** The latest plans, of all pools; unknown where none still holds. */
  plans(): Promise<PoolPlans>;
  /** The deployment's name, the same for all and as durable as its jobs; `otherwise` where it has none yet. */
  identity(params: { otherwise: string }): Promise<string>;
}

/** One step each: the lock goes to nobody else, and is given up by its holder only. */
const take = `#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;
const give = `#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`;
/** For ever: without `allow-oom` a full Redis would keep workers from starting, which are what empties it. */
const name = `#!lua flags=allow-oom
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])`;
/** Without `allow-oom` a full Redis would look like a deployment without workers that must not be scaled. */
const tell = `#!lua flags=allow-oom
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
return 1`;
const publish = `#!lua flags=allow-oom
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1`;

const noPlan = { kind: 'unknown', reason: 'no controller has published a plan in the last 15 s' } as const;

/** A process of an earlier version says nothing of pool and machine. */
function readWorkers(process: string, json: string): Worker[] {
  const host = process.slice(0, Math.max(0, process.indexOf(':')));
  const said = JSON.parse(json) as (Omit<Worker, 'process' | 'host' | 'pool'> & Partial<Worker>)[];
  return said.map((worker) => ({ process, host, pool: defaultPool, ...worker }));
}

export class RedisFleet implements Fleet {
  readonly #link: RedisLink;

  constructor(link: RedisLink) {
    this.#link = link;
  }

  async lead({ holder, forMs }: { holder: string; forMs: number }): Promise<boolean> {
    const name = this.#name('leader');
    return (await this.#link.use((redis) => redis.eval(take, 1, name, holder, forMs))) === 1;
  }

  async resign({ holder }: { holder: string }): Promise<void> {
    await this.#link.use((redis) => redis.eval(give, 1, this.#name('leader'), holder));
  }

  async leader(): Promise<string | undefined> {
    return (await this.#link.use((redis) => redis.get(this.#name('leader')))) ?? undefined;
  }

  async announce(params: { process: string; workers: readonly Worker[]; forMs: number }): Promise<void> {
    const { process, workers, forMs } = params;
    const keys = [this.#name(`process:${process}`), this.#name('processes')];
    await this.#link.use((redis) =>
      redis.eval(tell, keys.length, ...keys, process, JSON.stringify(workers), forMs),
    );
  }

  async workers(): Promise<readonly Worker[]> {
    return this.#link.use(async (redis) => {
      const processes = (await redis.smembers(this.#name('processes'))).sort();
      if (processes.length === 0) return [];
      const known = await redis.mget(processes.map((process) => this.#name(`process:${process}`)));
      const gone = processes.filter((_, index) => known[index] === null);
      if (gone.length > 0) await redis.srem(this.#name('processes'), ...gone);
      return known.flatMap((json, index) => (json == null ? [] : readWorkers(processes[index]!, json)));
    });
  }

  async publishPlan(params: {
    pool: string;
    pools: readonly string[];
    plan: ScalingPlan;
    forMs: number;
  }): Promise<void> {
    const { pool, pools, plan, forMs } = params;
    const keys = [this.#name('pools'), this.#planOf(pool)];
    await this.#link.use((redis) =>
      redis.eval(publish, keys.length, ...keys, JSON.stringify(pools), JSON.stringify(plan), forMs),
    );
  }

  async plans(): Promise<PoolPlans> {
    return this.#link.use(async (redis) => {
      const listed = await redis.get(this.#name('pools'));
      const pools = listed === null ? [defaultPool] : (JSON.parse(listed) as string[]);
      const known = await redis.mget(pools.map((pool) => this.#planOf(pool)));
      return new Map(
        pools.map((pool, index) => {
          const json = known[index];
          return [pool, json == null ? noPlan : (JSON.parse(json) as ScalingPlan)];
        }),
      );
    });
  }

  async identity({ otherwise }: { otherwise: string }): Promise<string> {
    const known = await this.#link.use((redis) => redis.eval(name, 1, this.#name('deployment'), otherwise));
    return String(known);
  }

  /** That of the default pool has the name that it had when there were no others. */
  #planOf(pool: string): string {
    return this.#name(pool === defaultPool ? 'plan' : `plan:${pool}`);
  }

  #name(name: string): string {
    return `${this.#link.prefix}${name}`;
  }
}
