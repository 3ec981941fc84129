/** The pools by the options: which types each has, and how it is scaled. */
import { readFileSync } from 'node:fs';
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { options, type Config } from '../config/options.js';
import { parseValue } from '../config/parse.js';
import { misfitOf } from '../contract/misfit.js';
import { DrayError } from '../jobs/errors.js';
import { defaultPool, flawOfPools, typesOfPool, type NamedPool } from '../jobs/pools.js';
import type { ScalingPolicy } from '../jobs/scaling.js';
import type { TaskRegistry } from '../tasks/registry.js';

/** A pool with its numbers; times in seconds. */
export interface ScaledPool extends NamedPool {
  readonly policy: Omit<ScalingPolicy, 'slotsPerWorker'>;
  /** Undefined where the pool does not say it. */
  readonly slotsPerWorker: number | undefined;
}

/** They are read as the options of the same names, which are those of the pools that leave them out. */
const numbers = ['minWorkers', 'maxWorkers', 'slotsPerWorker', 'drainTarget', 'slo', 'utilisation'] as const;

const Amount = Type.Optional(Type.Union([Type.Number(), Type.String({ maxLength: 64 })]));
const Pool = Type.Object(
  {
    // A part of names in Kubernetes, and a label there.
    name: Type.String({ pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$', maxLength: 63 }),
    types: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 1_000 })),
    minWorkers: Amount,
    maxWorkers: Amount,
    slotsPerWorker: Amount,
    drainTarget: Amount,
    slo: Amount,
    utilisation: Amount,
  },
  { additionalProperties: false },
);
const Pools = Compile(Type.Array(Pool, { maxItems: 100 }));

const option = '--pools (DRAY_POOLS)';

/**
 * All pools with the types that they name, the default one first.
 * @throws DrayError `invalid-request` that names the pool and the key.
 */
export function readPools(config: Pick<Config, 'pools'>): readonly (NamedPool & Static<typeof Pool>)[] {
  const given = config.pools === undefined ? [] : parsePools(config.pools);
  const pools = given.map((pool) => ({ ...pool, types: pool.types ?? [] }));
  const flaw = flawOfPools(pools);
  if (flaw !== undefined) throw refusal(flaw);
  const isDefault = ({ name }: NamedPool): boolean => name === defaultPool;
  return [
    pools.find(isDefault) ?? { name: defaultPool, types: [] },
    ...pools.filter((pool) => !isDefault(pool)),
  ];
}

/** As `readPools`, with the numbers that pools leave out from the options of the same names, but for the slots. */
export function readScaledPools(config: Config): readonly ScaledPool[] {
  return readPools(config).map((pool) => {
    const { name, types } = pool;
    const own = numbers.flatMap((key) => (pool[key] === undefined ? [] : [[key, numberOf(pool, key)]]));
    const all = { ...config, ...(Object.fromEntries(own) as Partial<Config>) };
    const { minWorkers: min, maxWorkers: max, drainTarget, slo, utilisation } = all;
    const slotsPerWorker = pool.slotsPerWorker === undefined ? undefined : all.slotsPerWorker;
    if (min > max) throw refusal(`pool "${name}": minWorkers (${min}) is above maxWorkers (${max})`);
    return { name, types, slotsPerWorker, policy: { min, max, drainTarget, slo, utilisation } };
  });
}

/**
 * The types that a worker of the pool serves, of those that it has a task for; with `--types` of them those.
 * @throws DrayError `invalid-request`, `unknown-type`.
 */
export function servedTypes(
  config: Pick<Config, 'pool' | 'pools' | 'types'>,
  tasks: TaskRegistry,
): readonly string[] {
  const pools = readPools(config);
  const pool = pools.find(({ name }) => name === config.pool);
  if (!pool) {
    const names = pools.map(({ name }) => name).join(', ');
    throw new DrayError(
      'invalid-request',
      `--pool (DRAY_POOL): there is no pool "${config.pool}"; by --pools there are ${names}`,
      { field: 'pool' },
    );
  }
  checkTypes([pool], tasks.types);
  const served = typesOfPool(pool.name, pools, tasks.types);
  // Asked for by name, a type that no task runs is an error.
  for (const type of config.types) {
    if (served.includes(tasks.get(type).type)) continue;
    throw new DrayError(
      'invalid-request',
      `--types (DRAY_TYPES): "${type}" does not belong to the worker’s pool "${pool.name}"`,
      { field: 'types' },
    );
  }
  return config.types.length === 0 ? served : config.types;
}

/** @throws DrayError `invalid-request` where a pool names a type that is not among those that are `known`. */
export function checkTypes(pools: readonly NamedPool[], known: readonly string[]): void {
  for (const { name, types } of pools) {
    const unknown = types.find((type) => !known.includes(type));
    if (unknown === undefined) continue;
    throw refusal(
      `pool "${name}", "types": no task runs jobs of type "${unknown}"; this process knows ${known.join(', ')}`,
    );
  }
}

function parsePools(text: string): Static<typeof Pool>[] {
  const value = parseJson(text);
  if (Pools.Check(value)) return value;
  const { path, message } = misfitOf(Pools.Errors(value));
  const [index, ...key] = path.split('.');
  const named = Array.isArray(value) && index !== '' ? nameOf(value[Number(index)], index!) : undefined;
  if (named === undefined)
    throw refusal('it is a list of pools, such as [{"name": "gpu", "types": ["score"]}]');
  throw refusal(`pool ${named}${key.length > 0 ? `, "${key.join('.')}"` : ''}: ${message}`);
}

/** What is no path is the JSON itself. */
function parseJson(text: string): unknown {
  const inline = /^\s*[[{]/.test(text);
  let json = text;
  try {
    if (!inline) json = readFileSync(text, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw refusal(`it is neither a JSON list nor a file that can be read: ${text} (${code})`);
  }
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw refusal(`${inline ? 'it' : text} is not JSON: ${(error as Error).message}`);
  }
}

function nameOf(pool: unknown, index: string): string {
  const name = typeof pool === 'object' && pool !== null && 'name' in pool ? pool.name : undefined;
  return typeof name === 'string' ? JSON.stringify(name) : `number ${Number(index) + 1}`;
}

function numberOf(pool: NamedPool & Static<typeof Pool>, key: (typeof numbers)[number]): number {
  const one = options.find(({ name }) => name === key)!;
  try {
    return parseValue(one, String(pool[key])) as number;
  } catch (error) {
    if (!(error instanceof DrayError)) throw error;
    throw refusal(error.message.replace(`${one.flag} (${one.variable})`, `pool "${pool.name}", "${key}"`));
  }
}

function refusal(message: string): DrayError {
  return new DrayError('invalid-request', `${option}: ${message}`, { field: 'pools' });
}
