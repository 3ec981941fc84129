/** `dray controller`: of several one leads; it keeps time for the jobs, keeps house, and says how many workers there should be. */
import { Leader, type Duties } from '../../control/leader.js';
import { Projections } from '../../control/projections.js';
import { Reconciler } from '../../control/reconciler.js';
import { mstcProjection } from '../../doors/mstc/address.js';
import { watchLiveness } from '../../engine/cluster/broker/liveness.js';
import { startHealthServer } from '../../http/health.js';
import { Metrics } from '../../http/metrics.js';
import { containerType } from '../../tasks/container/index.js';
import { startEndType } from '../../tasks/start-end.js';
import { createRetention, diskOf } from '../housekeeping.js';
import { createReplies } from '../mstc.js';
import { checkTypes, readScaledPools, type ScaledPool } from '../pools.js';
import { openStartEndState } from '../start-end-state.js';
import type { RunningServer } from '../until-stopped.js';
import { clusterFigures, sharedSources, type Deployment } from './deployment.js';
import { openKubernetesPart, type KubernetesPart } from './kubernetes.js';
import { createPlanners } from './scaling.js';

export async function startControllerProcess(deployment: Deployment): Promise<RunningServer> {
  const { config, engine, tasks, clock, log } = deployment;
  const pools = readScaledPools(config);
  // Container jobs are known to those that take and run them; of whether they do, a controller is told nothing.
  checkTypes(pools, [...tasks.types, containerType]);
  const kubernetes = await openKubernetesPart(deployment);
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
    begin: () => beginDuties(deployment, pools, kubernetes),
  });
  const health = await startHealthServer({
    host: config.host,
    port: config.healthPort,
    clock,
    metrics,
    ailment: () => (leader.healthy ? undefined : 'the loop that renews the leader’s lock has stopped moving'),
    ready: async () => {
      await engine.ping();
      kubernetes?.ready();
    },
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
    await kubernetes?.close();
    await health.stop();
    await deployment.close();
  };
  return { url: health.url, stop: () => (closing ??= close()) };
}

/** What only one controller does; for a moment two may. */
function beginDuties(
  deployment: Deployment,
  pools: readonly ScaledPool[],
  kubernetes: KubernetesPart | undefined,
): Duties {
  const { config, engine, blobs, blobFolder, clock, log } = deployment;
  const reconciler = new Reconciler({ engine, clock, log });
  const retention = createRetention({ ...deployment, disk: diskOf(blobs, blobFolder) });
  const beforeLower = kubernetes?.beforeLower ?? (() => Promise.resolve());
  const planners = createPlanners(deployment, { pools, beforeLower });
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
  const services = [reconciler, retention, ...planners, projections, ...(kubernetes?.duties() ?? [])];
  for (const service of services) service.start();
  return {
    stop: async () => {
      await Promise.all(services.map((service) => service.stop()));
      startEnd.close();
      await replies.close();
    },
  };
}
