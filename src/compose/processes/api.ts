/** `dray api`: requests in, answers out. It runs no job. */
import { memoryBound } from '../../control/bounds.js';
import { Metrics } from '../../http/metrics.js';
import { startEndType } from '../../tasks/start-end.js';
import { openAccess } from '../access.js';
import { startApi } from '../api.js';
import { diskOf } from '../housekeeping.js';
import type { RunningServer } from '../until-stopped.js';
import { clusterFigures, sharedSources, type Deployment } from './deployment.js';

/** Others go on: clients that are busy have sent a request on each of their connections within this time, in ms. */
const leaveMs = 2_000;
/** Uploads and downloads under way, in ms: Kubernetes kills what takes longer than its grace period of 45 s. */
const lingerMs = 20_000;

export async function startApiProcess(deployment: Deployment): Promise<RunningServer> {
  const { config, blobs, blobFolder, clock, logger } = deployment;
  const doorkeeper = await openAccess({ config, clock, logger });
  const shared = sharedSources(deployment);
  const metrics = new Metrics({ clock, shared, cluster: () => clusterFigures(deployment, { shared: true }) });
  const api = await startApi({
    ...deployment,
    ...shared,
    disk: diskOf(blobs, blobFolder),
    metrics,
    doorkeeper,
    healthy: () => true,
    storeBounds: [memoryBound(() => deployment.engine.memory())],
    projected: new Set([startEndType]),
    leaveMs,
    lingerMs,
  });
  let closing: Promise<void> | undefined;
  return {
    url: api.url,
    stop: () => (closing ??= api.stop().then(() => deployment.close())),
  };
}
