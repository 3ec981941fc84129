/** `dray serve`: everything on one machine. API, controller and worker live in this process, executors do not. */
import { mkdir, stat, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { forgetWriter, openFilesystemBlobs } from '../blobs/filesystem.js';
import { systemClock } from '../clock.js';
import { availableMachine } from '../config/machine.js';
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
import { leases, limits, scaling } from '../jobs/limits.js';
import { loadKernel } from '../tasks/matmul/kernel/load.js';
import type { TaskLog } from '../tasks/task.js';
import { Worker } from '../worker/worker.js';
import { doors } from './doors.js';
import type { ExecutorConfig } from './executor.js';
import { createLogger, taskLog } from './logger.js';
import { builtInTasks } from './tasks.js';

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

export interface RunningServer {
  readonly url: string;
  /** Drains and closes. `graceMs` overrides how long running jobs may still take. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** How long requests may still take once the jobs have drained, in ms. */
const lingerMs = 2_000;

/** @throws DrayError where the address, the data folder or an option cannot be used; nothing is left open then. */
export async function startEmbedded(config: Config): Promise<RunningServer> {
  if (!loopback.has(config.host)) {
    throw new DrayError(
      'invalid-request',
      `--host ${config.host}: without API keys only loopback addresses are served (127.0.0.1, ::1, localhost)`,
    );
  }
  const folder = resolve(config.data);
  await mkdir(folder, { recursive: true });
  // The engine's lock comes first: only the owner of the folder may clean up in it.
  const engine = await openSqliteEngine({ file: join(folder, 'jobs.sqlite'), clock: systemClock });
  try {
    return await startOn(engine, folder, config);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function startOn(engine: Engine, folder: string, config: Config): Promise<RunningServer> {
  const clock = systemClock;
  const logger = createLogger(config.logLevel);
  const log = taskLog(logger);
  const blobFolder = join(folder, 'blobs');
  const blobs = await openFilesystemBlobs({ folder: blobFolder, clock, cleanTemporary: true });
  const tasks = builtInTasks({ blas: config.blas, simulate: config.simulate });
  await sayKernel(log, config.blas);
  await sayUnchecked(log, join(folder, 'jobs.sqlite'));
  const worker = new Worker({
    engine,
    clock,
    log,
    jobLog: (job) => taskLog(logger.child({ job: job.id, type: job.type, attempt: job.attempt })),
    onRun: (run) => metrics.observeAttempt(run),
    options: {
      id: `${hostname()}:${process.pid}`,
      types: tasks.types,
      slots: config.minExecutors,
      cores: availableMachine().cores,
      leaseMs: leases.lease,
      heartbeatMs: leases.heartbeat,
      drainGraceMs: leases.drainGrace,
      executor: {
        script: new URL('./executor.js', import.meta.url),
        args: (writer) => [executorArgument({ config, blobs: blobFolder, writer })],
        onGone: (writer) =>
          void forgetWriter(blobFolder, writer).catch((error: unknown) => logger.warn(error)),
        memoryLimit: config.executorMemory,
        graceMs: leases.cancelGrace,
        clock,
      },
    },
  });
  const autoscaler = new Autoscaler({
    engine,
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
      current: () => worker.slots,
      busy: () => worker.busy,
      resize: (slots) => worker.resize(slots),
    },
  });
  const workers = () => [worker.info()];
  const metrics = new Metrics({ engine, workers, scaling: () => autoscaler.plan(), clock });
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
      workers,
      healthy: () => worker.healthy,
      scaling: () => autoscaler.plan(),
      metrics,
      refuseWhenFull: () => {
        room.refuseWhenFull();
        queue.refuseWhenFull();
      },
      refuseWithoutRoom: () => room.refuseWhenFull(),
      bodyLimit: config.bodyLimit,
      loopbackOnly: true,
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
  reconciler.start();
  worker.start();
  autoscaler.start();
  retention.start();
  await Promise.all([queue.start(), room.start()]);

  let closing: Promise<void> | undefined;
  const close = async (drained: Promise<void>): Promise<void> => {
    const closed = app.close();
    const scaled = autoscaler.stop();
    const kept = Promise.all([retention.stop(), queue.stop(), room.stop()]);
    await drained;
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
      const drained = worker.stop(options); // said again with a shorter grace, it hurries the first
      return (closing ??= close(drained));
    },
  };
}

/** Of the disk that a folder is on, in bytes: what this user may still write, and what is taken. */
async function spaceOf(folder: string): Promise<{ free: number; used: number }> {
  const { bsize, blocks, bfree, bavail } = await statfs(folder);
  return { free: bavail * bsize, used: (blocks - bfree) * bsize };
}

function executorArgument(params: { config: Config; blobs: string; writer: string }): string {
  const { executorMemory, blas, simulate } = params.config;
  const argument: ExecutorConfig = {
    parent: process.pid,
    blobs: params.blobs,
    writer: params.writer,
    memoryLimit: executorMemory,
    simulate,
    ...(blas === undefined ? {} : { blas }),
  };
  return JSON.stringify(argument);
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
