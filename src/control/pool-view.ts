/** What the announced workers are as a pool of the scaling rule. */
import type { Worker } from '../contract/worker.js';
import type { PoolView } from './planner.js';

/**
 * A process is one worker, whatever it announces: counted is what of it serves the types by which the pool is scaled.
 * One that stops is left out: another would be kept, or started, for jobs that it ends by itself.
 *
 * @param params.types see `scalingTypes`.
 * @param params.slotsPerWorker by default what the workers have on average; 1 where there are none.
 */
export function viewOfPool(
  workers: readonly Worker[],
  params: { pool: string; types: ReadonlySet<string>; slotsPerWorker: number | undefined },
): PoolView {
  const serving = workers.filter(
    ({ pool, types, stopping }) =>
      pool === params.pool && stopping !== true && types.some((type) => params.types.has(type)),
  );
  const current = countProcesses(serving);
  const slots = serving.reduce((sum, worker) => sum + worker.slots, 0);
  return {
    current,
    busy: countProcesses(serving.filter(({ busy }) => busy > 0)),
    slotsPerWorker: params.slotsPerWorker ?? (current === 0 ? 1 : Math.max(1, Math.round(slots / current))),
  };
}

function countProcesses(workers: readonly Worker[]): number {
  return new Set(workers.map(({ process }) => process)).size;
}
