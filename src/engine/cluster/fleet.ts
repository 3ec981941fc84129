/** What the processes of a deployment know of each other, kept in Redis. */
import type { Worker } from '../../contract/worker.js';
import type { ScalingPlan } from '../../jobs/scaling.js';
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
  publishPlan(params: { plan: ScalingPlan; forMs: number }): Promise<void>;
  /** The latest plan that still holds. */
  plan(): Promise<ScalingPlan | undefined>;
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
    await this.#link.use(async (redis) => {
      await Promise.all([
        redis.set(this.#name(`process:${process}`), JSON.stringify(workers), 'PX', forMs),
        redis.sadd(this.#name('processes'), process),
      ]);
    });
  }

  async workers(): Promise<readonly Worker[]> {
    return this.#link.use(async (redis) => {
      const processes = (await redis.smembers(this.#name('processes'))).sort();
      if (processes.length === 0) return [];
      const known = await redis.mget(processes.map((process) => this.#name(`process:${process}`)));
      const gone = processes.filter((_, index) => known[index] === null);
      if (gone.length > 0) await redis.srem(this.#name('processes'), ...gone);
      return known.flatMap((json) => (json == null ? [] : (JSON.parse(json) as Worker[])));
    });
  }

  async publishPlan({ plan, forMs }: { plan: ScalingPlan; forMs: number }): Promise<void> {
    await this.#link.use((redis) => redis.set(this.#name('plan'), JSON.stringify(plan), 'PX', forMs));
  }

  async plan(): Promise<ScalingPlan | undefined> {
    const json = await this.#link.use((redis) => redis.get(this.#name('plan')));
    return json === null ? undefined : (JSON.parse(json) as ScalingPlan);
  }

  async identity({ otherwise }: { otherwise: string }): Promise<string> {
    const known = await this.#link.use((redis) => redis.eval(name, 1, this.#name('deployment'), otherwise));
    return String(known);
  }

  #name(name: string): string {
    return `${this.#link.prefix}${name}`;
  }
}
