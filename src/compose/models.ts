/** Models that are served, by an API beside its jobs or by `dray models serve` alone. */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type { Env } from 'onnxruntime-node';
import type { Logger } from 'pino';
import { systemClock, type Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import type { Door, ServerDependencies } from '../http/dependencies.js';
import { tensorFlowServing } from '../doors/tf-serving.js';
import { modelRoutes } from '../http/routes/models.js';
import { Metrics } from '../http/metrics.js';
import { buildServerOf } from '../http/server.js';
import { DrayError } from '../jobs/errors.js';
import { Models } from '../models/models.js';
import { openAccess } from './access.js';
import { listen, manners } from './listen.js';
import { createLogger, taskLog } from './logger.js';
import { untilStopped, type RunningServer } from './until-stopped.js';

/** How long it takes requests yet when it stops, and those under way then, in ms. */
const leaveMs = 2_000;
const runtime = 'onnxruntime-node';

type ModelsConfig = Config & { readonly models: string };

export function hasModels(config: Config): config is ModelsConfig {
  return config.models !== undefined;
}

/** What a server has of its models. */
export interface ServedModels {
  readonly door: Door<ServerDependencies>;
  /** False where there is none that could be asked. */
  readonly ready: () => boolean;
  close(): Promise<void>;
}

/** @returns its version. @throws DrayError `unavailable` where what runs models is not installed, or not for this machine. */
export function requireRuntime(): string {
  try {
    const { env } = createRequire(import.meta.url)(runtime) as { env: Env };
    return env.versions.node ?? 'of an unknown version';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DrayError(
      'unavailable',
      code === 'MODULE_NOT_FOUND' && message.includes(`'${runtime}'`)
        ? `models need the package ${runtime}, which is not installed: npm install ${runtime}`
        : `models need the package ${runtime}, which cannot be used here: ${message.split('\n', 1)[0]!}`,
      { cause: error },
    );
  }
}

/** @throws DrayError where the folder cannot be read, or what runs models cannot be used. */
export async function openModels(
  config: ModelsConfig,
  { clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: Metrics },
): Promise<ServedModels> {
  requireRuntime();
  const figures = metrics.models();
  const models = await Models.open({
    folder: resolve(config.models),
    clock,
    log: taskLog(logger),
    options: {
      threads: config.modelThreads,
      batchRows: config.modelBatchRows,
      batchMs: 1_000 * config.modelBatchTime,
      mostWaiting: config.modelQueue,
    },
    onBatch: (batch) => figures.observeBatch(batch),
  });
  figures.watch(models);
  return {
    door: tensorFlowServing(models, (prediction) => figures.observePrediction(prediction)),
    ready: () => models.ready,
    close: () => models.close(),
  };
}

/** @throws DrayError where the address, the folder or an option cannot be used; nothing is left open then. */
export async function startModels(config: ModelsConfig): Promise<RunningServer> {
  const clock = systemClock;
  const logger = createLogger(config.logLevel);
  const doorkeeper = await openAccess({ config, clock, logger });
  const metrics = new Metrics({ clock });
  const models = await openModels(config, { clock, logger, metrics });
  const leaving = new AbortController();
  try {
    const app = await buildServerOf(
      { clock, metrics, ...manners(config, doorkeeper, leaving.signal) },
      logger,
      {
        routes: (native) => modelRoutes(native, { metrics, ready: models.ready }),
        doors: [models.door],
      },
    );
    const listening = await listen(app, { config, doorkeeper, clock, leaving, leaveMs, lingerMs: leaveMs });
    let closing: Promise<void> | undefined;
    return {
      url: listening.url,
      stop: () => (closing ??= listening.stop().finally(() => models.close())),
    };
  } catch (error) {
    await models.close();
    throw error;
  }
}

export async function serveModels(config: ModelsConfig): Promise<void> {
  const server = await startModels(config);
  console.log(`dray models is ready at ${server.url}`);
  await untilStopped(server);
}
