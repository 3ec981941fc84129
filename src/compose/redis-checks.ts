/** What `dray doctor` asks the Redis of a deployment. */
import { Redis } from 'ioredis';
import { systemClock } from '../clock.js';
import { fieldsOf } from '../engine/cluster/redis.js';
import { withoutPassword } from '../log.js';
import { ok, size, warning, wrong, type Checks, type Verdict } from './verdicts.js';

const answerMs = 3_000;
const oldestMajor = 7;
/** Of the time of Redis, in ms: what is above the first matters to retention, above the second to kept blobs. */
const skew = { noticed: 1_000, harmful: 60_000 } as const;
const crowded = 0.8;

/** Closes by `close`. */
export function openForChecks(address: string): Redis {
  const redis = new Redis(address, {
    lazyConnect: true,
    connectionName: 'dray doctor',
    maxRetriesPerRequest: 0,
    connectTimeout: answerMs,
    commandTimeout: answerMs,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined); // each check says so itself
  return redis;
}

export function redisChecks(redis: Redis): Checks {
  return {
    'redis durability': () => checkDurability(redis),
    'redis memory': () => checkMemory(redis),
    'clock skew': () => checkSkew(redis),
  };
}

export async function checkRedis(redis: Redis, address: string): Promise<Verdict> {
  const shown = withoutPassword(address);
  const started = systemClock.monotonic();
  let info: ReadonlyMap<string, string>;
  let said: Error | undefined; // the reason; what fails by it says only that the connection is gone
  redis.on('error', (error: Error) => (said = error));
  try {
    await redis.connect();
    await redis.ping();
    info = fieldsOf(await redis.info('server'));
  } catch (error) {
    const { message } = said ?? (error as Error);
    const refused = /NOAUTH|WRONGPASS|NOPERM|invalid password|DB index/.test(message);
    const advice = refused
      ? 'Check user, password and database in --state.'
      : 'Start it, let this machine reach it, or correct --state.';
    return wrong(`${shown}: ${message}`, advice);
  }
  const tookMs = Math.ceil(systemClock.monotonic() - started);
  const version = info.get('redis_version') ?? '0';
  const detail = `version ${version} at ${shown}, answered within ${tookMs} ms`;
  if (Number.parseInt(version, 10) < oldestMajor) return wrong(detail, 'Install Redis 7.0 or later.');
  if (info.get('redis_mode') === 'cluster')
    return wrong(`${detail}; it is a Redis Cluster`, 'Give one Redis, with replicas if you like.');
  const role = fieldsOf(await redis.info('replication')).get('role');
  if (role === 'slave') return wrong(`${detail}; it is a replica`, 'Give the address of its primary.');
  return ok(detail);
}

async function checkDurability(redis: Redis): Promise<Verdict> {
  const aof = fieldsOf(await redis.info('persistence')).get('aof_enabled') === '1';
  if (!aof) {
    return wrong(
      'appendonly is no: accepted jobs are lost when Redis ends',
      'Set appendonly yes and appendfsync always.',
    );
  }
  const sync = await settingOf(redis, 'appendfsync');
  if (sync === 'always') return ok('appendonly yes, appendfsync always');
  if (sync === undefined)
    return warning('appendonly yes; appendfsync may not be read here', 'Make sure that it is always.');
  return warning(
    `appendonly yes, appendfsync ${sync}: accepted jobs of the last ${sync === 'everysec' ? 'second' : 'half minute'} may be lost, or run again, when its machine fails`,
    'Set appendfsync always.',
  );
}

async function checkMemory(redis: Redis): Promise<Verdict> {
  const info = fieldsOf(await redis.info('memory'));
  const [used, most, machine] = ['used_memory', 'maxmemory', 'total_system_memory'].map((name) =>
    Number(info.get(name) ?? 0),
  ) as [number, number, number];
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const room = most > 0 ? `maxmemory ${size(most)}` : `no maxmemory, ${size(machine)} in its machine`;
  const detail = `${size(used)} used, ${room}, ${policy}`;
  if (policy !== 'noeviction')
    return wrong(`${detail}: records of jobs may be thrown away`, 'Set maxmemory-policy noeviction.');
  const bound = most > 0 ? most : machine;
  if (bound > 0 && used > crowded * bound)
    return warning(detail, 'Raise maxmemory, or keep fewer jobs: --keep-jobs, --keep-for.');
  return ok(detail);
}

async function checkSkew(redis: Redis): Promise<Verdict> {
  const before = systemClock.monotonic();
  const [seconds, micros] = await redis.time();
  const tookMs = systemClock.monotonic() - before;
  const aheadMs = systemClock.now() - tookMs / 2 - (Number(seconds) * 1_000 + Number(micros) / 1_000);
  const apart = Math.abs(aheadMs);
  const detail = `this machine is ${(apart / 1_000).toFixed(3)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} Redis`;
  const advice = 'Keep the clocks of all machines right, such as with chrony.';
  if (apart - tookMs > skew.harmful) return wrong(detail, advice);
  return apart - tookMs > skew.noticed ? warning(detail, advice) : ok(detail);
}

/** Undefined where the server does not tell, as managed ones may not. */
async function settingOf(redis: Redis, name: string): Promise<string | undefined> {
  const found = await redis.config('GET', name).catch(() => undefined);
  return Array.isArray(found) ? String(found[1]) : undefined;
}
