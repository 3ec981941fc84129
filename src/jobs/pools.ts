/** Pools: the workers that serve a set of job types, scaled by themselves. Each type belongs to one pool. */

/** It is always there: of the types that no other pool names. */
export const defaultPool = 'default';

/** A pool and the types that it names; the default pool names none. */
export interface NamedPool {
  readonly name: string;
  readonly types: readonly string[];
}

/** Those of `all` types that the workers of a pool serve. */
export function typesOfPool(
  name: string,
  pools: readonly NamedPool[],
  all: readonly string[],
): readonly string[] {
  const own = new Set(pools.find((pool) => pool.name === name)?.types);
  const named = new Set(pools.flatMap(({ types }) => types));
  return all.filter((type) => (name === defaultPool ? !named.has(type) : own.has(type)));
}

/**
 * Those by whose jobs a pool is scaled: what executors run of its types, or all of them where executors run none.
 * Beside an executor that computes, what an inline task waits for needs no worker.
 *
 * @param executed the types that executors run, of all pools.
 */
export function scalingTypes(
  name: string,
  pools: readonly NamedPool[],
  executed: readonly string[],
): readonly string[] {
  const run = typesOfPool(name, pools, executed);
  return run.length > 0 ? run : (pools.find((pool) => pool.name === name)?.types ?? []);
}

/** What is wrong with pools taken together, in words that name the pool; undefined where nothing is. */
export function flawOfPools(pools: readonly NamedPool[]): string | undefined {
  const poolOf = new Map<string, string>();
  const names = new Set<string>();
  for (const { name, types } of pools) {
    if (names.has(name)) return `there are two pools "${name}"`;
    names.add(name);
    if (name === defaultPool && types.length > 0)
      return `pool "${name}", "types": it has those that no other pool names, so leave them out`;
    if (name !== defaultPool && types.length === 0)
      return `pool "${name}", "types": it must name the job types of the pool`;
    for (const type of types) {
      const other = poolOf.get(type);
      if (other === name) return `pool "${name}", "types": "${type}" is there twice`;
      if (other !== undefined) return `pool "${name}", "types": "${type}" belongs to pool "${other}"`;
      poolOf.set(type, name);
    }
  }
  return undefined;
}
