/** `dray controller`: of several one leads; it keeps time for the jobs, keeps house, and says how many workers there should be. */
import { Leader, type Duties } from '../../control/leader.js';
import { Planner, staleMs, type PoolView } from '../../control/planner.js';
import { Projections } from '../../control/projections.js';
import { Reconciler } from '../../control/reconciler.js';
import { mstcProjection } from '../../doors/mstc/address.js';
import { watchLiveness } from '../../engine/cluster/broker/liveness.js';
import { startHealthServer } from '../../http/health.js';
import { Metrics } from '../../http/metrics.js';
import { scaling } from '../../jobs/limits.js';
import type { ScalingPlan } from '../../jobs/scaling.js';
import { startEndType } from '../../tasks/start-end.js';
import { createRetention, diskOf } from '../housekeeping.js';
import { createReplies } from '../mstc.js';
import { openStartEndState } from '../start-end-state.js';
import type { RunningServer } from '../until-stopped.js';
import { clusterFigures, sharedSources, type Deployment } from './deployment.js';

export async function startControllerProcess(deployment: Deployment): Promise<RunningServer> {
  const { config, engine, clock, log } = deployment;
  const metrics = new Metrics({
    clock,
    shared: sharedSources(deployment),
    cluster: () => clusterFigures(deployment, { shared: true }),
  });
  const leader = new Leader({
    lock: engine.fleet,
    holder: deployment.process,
    clock,
    log,
    begin: () => beginDuties(deployment),
  });
  const health = await startHealthServer({
    host: config.host,
    port: config.healthPort,
    clock,
    metrics,
    ailment: () => (leader.healthy ? undefined : 'the loop that renews the leader’s lock has stopped moving'),
    ready: () => engine.ping(),
  });
  const { queue: url, queuePrefix: prefix } = config;
  const liveness = await watchLiveness({
    ...{ url, prefix, clock, log },
    onSuspect: async (process) => {
      const lapsed = await engine.processGone({ process });
      if (lapsed > 0) log.warn('a worker is gone; its jobs go to others', { process, jobs: lapsed });
    },
  });
  leader.start();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await liveness.close();
    await leader.stop();
    await health.stop();
    await deployment.close();
  };
  return { url: health.url, stop: () => (closing ??= close()) };
}

/** What only one controller does; for a moment two may. */
function beginDuties(deployment: Deployment): Duties {
  const { config, engine, blobs, blobFolder, clock, log } = deployment;
  const reconciler = new Reconciler({ engine, clock, log });
  const retention = createRetention({ ...deployment, disk: diskOf(blobs, blobFolder) });
  const planner = createPlanner(deployment);
  const startEnd = openStartEndState({
    address: config.startEndState,
    state: config.state,
    keepForMs: 1_000 * config.keepFor,
  });
  const replies = createReplies(deployment);
  const projections = new Projections({
    engine,
    projections: new Map([
      [startEndType, startEnd.project],
      [mstcProjection, replies.project],
    ]),
    clock,
    log,
  });
  const services = [reconciler, retention, planner, projections];
  for (const service of services) service.start();
  return {
    stop: async () => {
      await Promise.all(services.map((service) => service.stop()));
      startEnd.close();
      await replies.close();
    },
  };
}

function createPlanner({ config, engine, tasks, clock, log }: Deployment): Planner {
  const { fleet } = engine;
  // What executors do not run, inline tasks and types that no task runs any more, needs no worker.
  const types = new Set(tasks.typesOf({ inline: false }));
  const publish = (plan: ScalingPlan) => fleet.publishPlan({ plan, forMs: staleMs });
  let trouble = '';
  return new Planner({
    engine: { counts: async () => (await engine.counts()).filter(({ type }) => types.has(type)) },
    clock,
    policy: {
      utilisation: scaling.utilisation,
      drainTarget: config.drainTarget,
      slo: config.slo,
      min: config.minWorkers,
      max: config.maxWorkers,
    },
    pool: async (): Promise<PoolView> => {
      const workers = (await fleet.workers()).filter((worker) =>
        worker.types.some((type) => types.has(type)),
      );
      const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
      return {
        current: workers.length,
        busy: workers.filter(({ busy }) => busy > 0).length,
        slotsPerWorker: config.slotsPerWorker ?? Math.max(1, Math.round(slots / workers.length) || 1),
      };
    },
    onPlan: async (plan) => {
      await publish(plan);
      trouble = '';
    },
    onTrouble: (reason) => {
      if (trouble === '') log.warn('how many workers there should be is not known', { reason });
      trouble = reason;
      void publish({ kind: 'unknown', reason }).catch(() => undefined); // the plan before ends by itself
    },
  });
}
