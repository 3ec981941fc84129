/** How many workers each pool should have: what the leading controller works out and makes known. */
import { PlanPublisher, type BeforeLower } from '../../control/plan-publisher.js';
import { Planner } from '../../control/planner.js';
import { viewOfPool } from '../../control/pool-view.js';
import { shareReading } from '../../control/shared-reading.js';
import { scalingTypes } from '../../jobs/pools.js';
import type { ScaledPool } from '../pools.js';
import type { Deployment } from './deployment.js';

/** Of what pools have in common, in ms: each planner looks once a second, and Redis is asked twice, however many they are. */
const forMs = 500;

/** One planner a pool. */
export function createPlanners(
  deployment: Deployment,
  { pools, beforeLower }: { pools: readonly ScaledPool[]; beforeLower: BeforeLower },
): readonly Planner[] {
  const { config, engine, tasks, clock, log } = deployment;
  const executed = tasks.typesOf({ inline: false });
  const names = pools.map(({ name }) => name);
  const counts = shareReading({ clock, forMs, read: () => engine.counts() });
  const workers = shareReading({ clock, forMs, read: () => engine.fleet.workers() });
  return pools.map(({ name: pool, policy, ...own }) => {
    const types = new Set(scalingTypes(pool, pools, executed));
    // The option is a number of executors: what is inline has slots of its own, which its workers tell.
    const inExecutors = executed.some((type) => types.has(type));
    const slotsPerWorker = own.slotsPerWorker ?? (inExecutors ? config.slotsPerWorker : undefined);
    const publisher = new PlanPublisher({
      ...{ pool, pools: names, beforeLower, clock, log },
      register: engine.fleet,
    });
    return new Planner({
      engine: { counts: async () => (await counts()).filter(({ type }) => types.has(type)) },
      clock,
      policy,
      pool: async () => viewOfPool(await workers(), { pool, types, slotsPerWorker }),
      onPlan: (plan) => publisher.publish(plan),
      onTrouble: (reason) => publisher.publishUnknown(reason),
    });
  });
}
