/** `dray serve`: everything on one machine. API, controller and worker live in this process, executors do not. */
import { hostname } from 'node:os';
import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { systemClock } from '../clock.js';
import type { BlobsPlace } from '../config/blobs-address.js';
import type { Config } from '../config/options.js';
import { Autoscaler } from '../control/autoscaler.js';
import { Projections } from '../control/projections.js';
import { Reconciler } from '../control/reconciler.js';
import { mstcProjection } from '../doors/mstc/address.js';
import type { Engine } from '../engine/engine.js';
import { openSqliteEngine } from '../engine/sqlite/index.js';
import { Metrics } from '../http/metrics.js';
import { limits } from '../jobs/limits.js';
import { defaultPool } from '../jobs/pools.js';
import type { TaskRegistry } from '../tasks/registry.js';
import type { TaskLog } from '../tasks/task.js';
import { openAccess, type Doorkeeper } from './access.js';
import { startApi } from './api.js';
import { openBlobs } from './blobs.js';
import { openContainers, type Containers } from './containers.js';
import { createRetention, diskOf } from './housekeeping.js';
import { identityInFolder } from './identity.js';
import { sayKernel } from './kernel.js';
import { createLogger, taskLog } from './logger.js';
import { createReplies } from './mstc.js';
import { knownTasks } from './tasks.js';
import { untilStopped, type RunningServer } from './until-stopped.js';
import { createWorkers } from './workers.js';

/** @throws DrayError where the address, the data folder or an option cannot be used; nothing is left open then. */
export async function startEmbedded(config: Config): Promise<RunningServer> {
  const folder = resolve(config.data);
  const logger = createLogger(config.logLevel);
  const doorkeeper = await openAccess({ config, clock: systemClock, logger });
  await mkdir(folder, { recursive: true });
  // The engine's lock comes first: only the owner of the folder may clean up in it.
  const engine = await openSqliteEngine({ file: join(folder, 'jobs.sqlite'), clock: systemClock });
  try {
    return await startIn({ folder, config, logger, doorkeeper, engine });
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function startIn(params: {
  folder: string;
  config: Config;
  logger: Logger;
  doorkeeper: Doorkeeper;
  engine: Engine;
}): Promise<RunningServer> {
  const { folder, config, logger } = params;
  const place = { kind: 'filesystem', folder: join(folder, 'blobs') } as const;
  const containers = await openContainers(config, {
    identity: () => identityInFolder(folder, systemClock),
    clock: systemClock,
    log: taskLog(logger),
  });
  try {
    const tasks = await knownTasks(config, place, containers ? [containers.task] : []);
    return await startOn({ ...params, tasks, place, containers });
  } catch (error) {
    await containers?.close();
    throw error;
  }
}

async function startOn(params: {
  engine: Engine;
  tasks: TaskRegistry;
  folder: string;
  place: BlobsPlace;
  config: Config;
  logger: Logger;
  containers: Containers | undefined;
  doorkeeper: Doorkeeper;
}): Promise<RunningServer> {
  const { engine, tasks, folder, place, config, logger, containers } = params;
  const clock = systemClock;
  const log = taskLog(logger);
  const blobs = await openBlobs(place, { clock, owner: true });
  await sayKernel(log, config.blas);
  await sayUnchecked(log, join(folder, 'jobs.sqlite'));
  const workers = createWorkers({
    process: `${hostname()}:${process.pid}`,
    engine,
    blobs,
    place,
    tasks,
    clock,
    logger,
    config,
    onRun: (run) => metrics.observeAttempt(run),
  });
  const { executors } = workers;
  const executorTypes = new Set(tasks.typesOf({ inline: false }));
  const autoscaler = new Autoscaler({
    // What executors do not run, inline tasks and types that no task runs any more, needs no executor.
    engine: {
      counts: async () => (await engine.counts()).filter(({ type }) => executorTypes.has(type)),
    },
    clock,
    log,
    policy: {
      slotsPerWorker: 1,
      utilisation: config.utilisation,
      drainTarget: config.drainTarget,
      slo: config.slo,
      min: config.minExecutors,
      max: config.maxExecutors,
    },
    pool: {
      current: () => executors.slots,
      busy: () => executors.busy,
      resize: (slots) => executors.resize(slots),
    },
  });
  const shared = {
    workers: () => Promise.resolve(workers.info()),
    scaling: () => Promise.resolve(new Map([[defaultPool, autoscaler.plan()]])),
  };
  const metrics = new Metrics({ clock, shared: { ...shared, counts: () => engine.counts() } });
  const reconciler = new Reconciler({ engine, clock, log });
  const replies = createReplies({ config, blobs, clock, log });
  const projections = new Projections({
    engine,
    projections: new Map([[mstcProjection, replies.project]]),
    clock,
    log,
  });
  const disk = diskOf(blobs, folder);
  const retention = createRetention({ engine, blobs, disk, clock, log, config });
  const keeper = containers?.keeper(engine);
  const api = await startApi({
    ...params,
    ...shared,
    blobs,
    disk,
    clock,
    metrics,
    healthy: () => workers.healthy,
    storeBounds: [],
    projected: new Set(),
    // Nobody stands in for it.
    leaveMs: 0,
    lingerMs: 2_000,
  });
  reconciler.start();
  workers.start();
  autoscaler.start();
  retention.start();
  projections.start();
  keeper?.start();

  let closing: Promise<void> | undefined;
  const close = async (drained: Promise<void>): Promise<void> => {
    const kept = Promise.all([autoscaler.stop(), retention.stop(), keeper?.stop()]);
    await api.stop(drained);
    await kept;
    await projections.stop();
    await replies.close();
    await reconciler.stop();
    await containers?.close();
    await engine.close();
    await blobs.close();
  };
  return {
    url: api.url,
    stop: (options = {}) => {
      const drained = workers.stop(options); // said again with a shorter grace, it hurries the first
      return (closing ??= close(drained));
    },
  };
}

/** Says at start where the database was too large to be checked. */
async function sayUnchecked(log: TaskLog, file: string): Promise<void> {
  const { size } = await stat(file);
  if (size <= limits.checkedAtStart) return;
  log.warn('the database was not checked at start, as it is large; a stopped one is by dray doctor', {
    bytes: size,
    checkedUpTo: limits.checkedAtStart,
  });
}

export async function serve(config: Config): Promise<void> {
  const server = await startEmbedded(config);
  console.log(`dray is ready at ${server.url}`);
  await untilStopped(server);
}
