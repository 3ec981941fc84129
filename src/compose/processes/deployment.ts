/** What each process of a deployment begins with: its tasks, its log, and the servers that all of them share. */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { BlobStore } from '../../blobs/blob-store.js';
import { systemClock, type Clock } from '../../clock.js';
import { parseBlobsAddress, type BlobsPlace } from '../../config/blobs-address.js';
import type { DeploymentConfig } from '../../config/read-config.js';
import { openClusterEngine, type ClusterEngine } from '../../engine/cluster/index.js';
import type { ClusterFigures } from '../../http/metrics/cluster.js';
import { DrayError } from '../../jobs/errors.js';
import type { TaskRegistry } from '../../tasks/registry.js';
import type { TaskLog } from '../../tasks/task.js';
import { checkBlobs, openBlobs } from '../blobs.js';
import { openContainers, type Containers } from '../containers.js';
import { identityOf } from '../identity.js';
import { createLogger, taskLog } from '../logger.js';
import { knownTasks } from '../tasks.js';

/** How long a start waits for the S3 server, in ms. */
const bucketMs = 3_000;

export interface Deployment {
  readonly config: DeploymentConfig;
  readonly engine: ClusterEngine;
  readonly blobs: BlobStore;
  readonly place: BlobsPlace;
  /** Of the blobs, where they are on a disk of this machine or one that it shares. */
  readonly blobFolder: string | undefined;
  readonly tasks: TaskRegistry;
  readonly containers: Containers | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: TaskLog;
  /** The name of this process among all others. */
  readonly process: string;
  /** Engine, blobs and what runs containers. */
  close(): Promise<void>;
}

/**
 * @param options.runs whether the process runs jobs; others only take them.
 * @throws DrayError where an option cannot be used, or a server refuses us; nothing is left open then.
 */
export async function openDeployment(
  config: DeploymentConfig,
  { runs }: { runs: boolean },
): Promise<Deployment> {
  const clock = systemClock;
  const logger = createLogger(config.logLevel);
  // In containers every process has the same number, and one that is started anew is another one.
  const name = `${hostname()}:${process.pid}:${clock.token().slice(0, 6)}`;
  const log = taskLog(logger);
  const place = parseBlobsAddress(config.blobs);
  const blobs = await openBlobs(place, { clock });
  /** What was opened last comes first, and is closed first. */
  const opened: { close(): Promise<void> }[] = [blobs];
  const close = async (): Promise<void> => {
    for (const one of opened) await one.close();
  };
  try {
    await checkPlace(place, { clock, log });
    const engine = await openClusterEngine({
      queue: config.queue,
      state: config.state,
      prefix: config.queuePrefix,
      process: name,
      keepForMs: 1_000 * config.keepFor,
      clock,
      log,
    });
    opened.unshift(engine);
    const containers = await openContainers(config, {
      ...(runs && { identity: () => identityOf(engine, { clock, log }) }),
      clock,
      log,
    });
    if (containers) opened.unshift(containers);
    return {
      config,
      engine,
      blobs,
      place,
      blobFolder: place.kind === 'filesystem' ? place.folder : undefined,
      tasks: await knownTasks(config, place, containers ? [containers.task] : []),
      containers,
      clock,
      logger,
      log,
      process: name,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A bucket that cannot be used is an error; a server that is away is waited for, by each request to it. */
async function checkPlace(place: BlobsPlace, { clock, log }: { clock: Clock; log: TaskLog }): Promise<void> {
  try {
    await checkBlobs(place, { clock, patienceMs: bucketMs });
  } catch (error) {
    if (!(error instanceof DrayError) || error.code !== 'unavailable') throw error;
    log.warn('the S3 server is away', { error: error.message });
  }
}

/** The figures of this process, and with `shared` those that are the same for all. */
export async function clusterFigures(
  { engine }: Pick<Deployment, 'engine'>,
  { shared }: { shared: boolean },
): Promise<ClusterFigures> {
  const { outbox, ...counted } = await engine.stats();
  return shared ? { ...counted, shared: { outbox, leader: await engine.fleet.leader() } } : counted;
}

/** What every process that is asked tells alike, for its metrics and its routes. */
export function sharedSources({ engine }: Pick<Deployment, 'engine'>) {
  return {
    counts: () => engine.counts(),
    workers: () => engine.fleet.workers(),
    scaling: () => engine.fleet.plans(),
  };
}
