/** `dray serve`: everything on one machine. API, controller and worker live in this process, executors do not. */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { openFilesystemBlobs } from '../blobs/filesystem.js';
import { systemClock } from '../clock.js';
import { availableMachine } from '../config/machine.js';
import type { Config } from '../config/options.js';
import { environment } from '../config/environment.js';
import { version } from '../config/version.js';
import { Reconciler } from '../control/reconciler.js';
import { openSqliteEngine } from '../engine/sqlite/index.js';
import { buildServer } from '../http/server.js';
import { DrayError } from '../jobs/errors.js';
import { leases } from '../jobs/limits.js';
import { loadKernel } from '../tasks/matmul/kernel/load.js';
import type { TaskLog } from '../tasks/task.js';
import { Worker } from '../worker/worker.js';
import type { ExecutorConfig } from './executor.js';
import { createLogger, taskLog } from './logger.js';
import { builtInTasks } from './tasks.js';

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

export interface RunningServer {
  readonly url: string;
  /** Drains and closes. `graceMs` overrides how long running jobs may still take. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** @throws DrayError where the address or the data folder cannot be used. */
export async function startEmbedded(config: Config): Promise<RunningServer> {
  if (!loopback.has(config.host)) {
    throw new DrayError(
      'invalid-request',
      `--host ${config.host}: without API keys only loopback addresses are served (127.0.0.1, ::1, localhost)`,
    );
  }
  const clock = systemClock;
  const logger = createLogger(config.logLevel);
  const folder = resolve(config.data);
  const blobFolder = join(folder, 'blobs');
  await mkdir(blobFolder, { recursive: true });
  // The engine's lock comes first: only the owner of the folder may clean up in it.
  const engine = await openSqliteEngine({ file: join(folder, 'jobs.sqlite'), clock });
  const blobs = await openFilesystemBlobs({ folder: blobFolder, clock, cleanTemporary: true });
  const tasks = builtInTasks({ blas: config.blas });
  const log = taskLog(logger);
  await sayKernel(log, config.blas);

  const executor: ExecutorConfig = {
    parent: process.pid,
    blobs: blobFolder,
    memoryLimit: config.executorMemory,
    ...(config.blas === undefined ? {} : { blas: config.blas }),
  };
  const worker = new Worker({
    engine,
    clock,
    log,
    jobLog: (job) => taskLog(logger.child({ job: job.id, type: job.type, attempt: job.attempt })),
    options: {
      id: `${hostname()}:${process.pid}`,
      types: tasks.types,
      slots: config.executors,
      cores: availableMachine().cores,
      leaseMs: leases.lease,
      heartbeatMs: leases.heartbeat,
      drainGraceMs: leases.drainGrace,
      executor: {
        script: new URL('./executor.js', import.meta.url),
        args: [JSON.stringify(executor)],
        memoryLimit: config.executorMemory,
        graceMs: leases.cancelGrace,
        clock,
      },
    },
  });
  const reconciler = new Reconciler({ engine, clock, log });
  const app = await buildServer(
    {
      engine,
      blobs,
      tasks,
      clock,
      workers: () => [worker.info()],
      healthy: () => worker.healthy,
      bodyLimit: config.bodyLimit,
      version,
    },
    logger,
  );
  reconciler.start();
  worker.start();

  let closing: Promise<void> | undefined;
  const close = async (drained: Promise<void>): Promise<void> => {
    await Promise.all([app.close(), drained]);
    await reconciler.stop();
    await engine.close();
    await blobs.close();
  };
  const stop = (options: { graceMs?: number } = {}): Promise<void> => {
    const drained = worker.stop(options); // said again with a shorter grace, it hurries the first
    return (closing ??= close(drained));
  };
  try {
    return {
      url: await app.listen({ host: config.host, port: config.port, listenTextResolver: () => 'listening' }),
      stop,
    };
  } catch (error) {
    await stop({ graceMs: 0 });
    throw error;
  }
}

/** Says at start which kernel multiplies matrices, and how to get the fast one where it is missing. */
async function sayKernel(log: TaskLog, blas: string | undefined): Promise<void> {
  const { kernel, advice } = await loadKernel({ environment, ...(blas === undefined ? {} : { path: blas }) });
  if (advice === undefined) log.info('matrix kernel', { kernel: kernel.name });
  else log.warn(advice, { kernel: kernel.name });
}

/** Runs until SIGTERM or SIGINT, then drains; a second signal hands back what still runs at once. */
export async function serve(config: Config): Promise<void> {
  const server = await startEmbedded(config);
  console.log(`dray is ready at ${server.url}`);
  await new Promise<void>((resolve, reject) => {
    let signals = 0;
    const onSignal = () => {
      signals += 1;
      if (signals === 1) console.log('finishing what runs; once more to hand it back at once');
      if (signals <= 2) server.stop(signals === 1 ? {} : { graceMs: 0 }).then(resolve, reject);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
