/** `dray serve`: everything on one machine. API, controller and worker live in this process, executors do not. */
import { mkdir, stat, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { systemClock } from '../clock.js';
import type { Config } from '../config/options.js';
import { environment } from '../config/environment.js';
import { version } from '../config/version.js';
import { Autoscaler } from '../control/autoscaler.js';
import { Bound, diskBound, queueBound } from '../control/bounds.js';
import { Reconciler } from '../control/reconciler.js';
import { Retention } from '../control/retention.js';
import type { Engine } from '../engine/engine.js';
import { openSqliteEngine } from '../engine/sqlite/index.js';
import { Metrics } from '../http/metrics.js';
import { buildServer } from '../http/server.js';
import { DrayError } from '../jobs/errors.js';
import { limits, scaling } from '../jobs/limits.js';
import { loadKernel } from '../tasks/matmul/kernel/load.js';
import type { TaskRegistry } from '../tasks/registry.js';
import type { TaskLog } from '../tasks/task.js';
import { openAccess } from './access.js';
import { openBlobs } from './blobs.js';
import { doors } from './doors.js';
import { createLogger, taskLog } from './logger.js';
import { knownTasks } from './tasks.js';
import { createWorkers } from './workers.js';

export interface RunningServer {
  readonly url: string;
  /** Drains and closes. `graceMs` overrides how long running jobs may still take. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** How long requests may still take once the jobs have drained, in ms. */
const lingerMs = 2_000;

/** @throws DrayError where the address, the data folder or an option cannot be used; nothing is left open then. */
export async function startEmbedded(config: Config): Promise<RunningServer> {
  const tasks = await knownTasks(config);
  const folder = resolve(config.data);
  const logger = createLogger(config.logLevel);
  const onError = (error: unknown) => logger.error({ err: error }, 'the API keys stay as they were');
  const doorkeeper = await openAccess({ config, folder, clock: systemClock, onError });
  await mkdir(folder, { recursive: true });
  // The engine's lock comes first: only the owner of the folder may clean up in it.
  const engine = await openSqliteEngine({ file: join(folder, 'jobs.sqlite'), clock: systemClock });
  try {
    return await startOn({ engine, tasks, folder, config, logger, doorkeeper });
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function startOn(params: {
  engine: Engine;
  tasks: TaskRegistry;
  folder: string;
  config: Config;
  logger: Logger;
  doorkeeper: Awaited<ReturnType<typeof openAccess>>;
}): Promise<RunningServer> {
  const { engine, tasks, folder, config, logger } = params;
  const { access, keyring } = params.doorkeeper;
  const clock = systemClock;
  const log = taskLog(logger);
  const place = { kind: 'filesystem', folder: join(folder, 'blobs') } as const;
  const blobs = await openBlobs(place, { clock, owner: true });
  await sayKernel(log, config.blas);
  await sayUnchecked(log, join(folder, 'jobs.sqlite'));
  const workers = createWorkers({
    engine,
    blobs,
    place,
    tasks,
    clock,
    logger,
    config,
    onRun: (run) => {
      metrics.observeAttempt(run);
      logger.debug(run, 'attempt ran');
    },
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
      utilisation: scaling.utilisation,
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
  const metrics = new Metrics({
    engine,
    workers: () => workers.info(),
    scaling: () => autoscaler.plan(),
    clock,
  });
  const reconciler = new Reconciler({ engine, clock, log });
  const disk = { space: () => spaceOf(folder), blobBytes: () => blobs.usage() };
  const retention = new Retention({
    engine,
    blobs,
    disk,
    clock,
    log,
    policy: {
      keepForMs: 1_000 * config.keepFor,
      keepJobs: config.keepJobs,
      diskShare: config.diskShare,
      keepUploadsMs: 1_000 * config.keepUploads,
    },
  });
  const queue = new Bound({ clock, measure: queueBound(engine, config.maxWaiting) });
  const room = new Bound({ clock, measure: diskBound(disk, config.minFree) });
  const app = await buildServer(
    {
      engine,
      blobs,
      tasks,
      clock,
      workers: () => workers.info(),
      healthy: () => workers.healthy,
      scaling: () => autoscaler.plan(),
      metrics,
      jobsRefusal: () => room.refusal ?? queue.refusal,
      dataRefusal: () => room.refusal,
      bodyLimit: config.bodyLimit,
      access,
      patience: {
        headerTimeout: 1_000 * config.headerTimeout,
        bodyTimeout: 1_000 * config.bodyTimeout,
        answerTimeout: 1_000 * config.answerTimeout,
      },
      maxConnections: config.maxConnections,
      version,
    },
    logger,
    doors,
  );
  const url = await app.listen({
    host: config.host,
    port: config.port,
    listenTextResolver: () => 'listening',
  });
  keyring.start();
  reconciler.start();
  workers.start();
  autoscaler.start();
  retention.start();
  await Promise.all([queue.start(), room.start()]);

  let closing: Promise<void> | undefined;
  const close = async (drained: Promise<void>): Promise<void> => {
    const closed = app.close();
    const scaled = autoscaler.stop();
    const kept = Promise.all([retention.stop(), queue.stop(), room.stop()]);
    await drained;
    keyring.stop();
    app.server.closeIdleConnections();
    const cancelTimer = clock.after(lingerMs, () => app.server.closeAllConnections());
    await closed;
    cancelTimer();
    await scaled;
    await kept;
    await reconciler.stop();
    await engine.close();
    await blobs.close();
  };
  return {
    url,
    stop: (options = {}) => {
      const drained = workers.stop(options); // said again with a shorter grace, it hurries the first
      return (closing ??= close(drained));
    },
  };
}

/** Of the disk that a folder is on, in bytes: what this user may still write, and what is taken. */
async function spaceOf(folder: string): Promise<{ free: number; used: number }> {
  const { bsize, blocks, bfree, bavail } = await statfs(folder);
  return { free: bavail * bsize, used: (blocks - bfree) * bsize };
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

/** Says at start which kernel multiplies matrices, and how to get the fast one where it is missing. */
async function sayKernel(log: TaskLog, blas: string | undefined): Promise<void> {
  const { kernel, advice } = await loadKernel({ environment, path: blas }).catch((error: unknown) => {
    throw new DrayError('invalid-request', `--blas ${blas ?? ''}: ${(error as Error).message}`, {
      field: 'blas',
    });
  });
  if (advice === undefined) log.info('matrix kernel', { kernel: kernel.name });
  else log.warn(advice, { kernel: kernel.name });
}

/** Runs until SIGTERM or SIGINT, then drains; a second signal hands back what still runs, a third just ends. */
export async function serve(config: Config): Promise<void> {
  const server = await startEmbedded(config);
  console.log(`dray is ready at ${server.url}`);
  await new Promise<void>((resolve, reject) => {
    let signals = 0;
    const onSignal = () => {
      signals += 1;
      if (signals === 1) console.log('finishing what runs; once more to hand it back at once');
      if (signals > 2) process.exit(1);
      server.stop(signals === 1 ? {} : { graceMs: 0 }).then(resolve, reject);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
