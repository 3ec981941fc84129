/** The workers of a process: one whose slots are executors, one for inline tasks, and one for each that has its own slots. */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { BlobStore } from '../blobs/blob-store.js';
import type { Clock } from '../clock.js';
import type { BlobsPlace } from '../config/blobs-address.js';
import { availableMachine } from '../config/machine.js';
import type { Config } from '../config/options.js';
import type { Worker as WorkerView } from '../contract/worker.js';
import type { Engine } from '../engine/engine.js';
import { leases } from '../jobs/limits.js';
import type { TaskRegistry } from '../tasks/registry.js';
import { Executor } from '../worker/executor.js';
import { InlineRunner } from '../worker/inline-runner.js';
import { Worker, type EndedRun, type WorkerOptions } from '../worker/worker.js';
import type { ExecutorConfig } from './executor.js';
import { taskLog } from './logger.js';
import { servedTypes } from './pools.js';

export interface Workers {
  /** The one whose slots are executors. It works only where it serves a type. */
  readonly executors: Worker;
  readonly healthy: boolean;
  /** How many of their slots have a job. */
  readonly busy: number;
  /** True from the call of `stop`. */
  readonly stopping: boolean;
  info(): readonly WorkerView[];
  start(): void;
  /** See Worker.stop. */
  stop(options: { graceMs?: number }): Promise<void>;
}

export function createWorkers(params: {
  /** The name of this process; those of its workers begin with it. */
  process: string;
  engine: Engine;
  blobs: BlobStore;
  /** Where `blobs` lie: executors open them by themselves. */
  place: BlobsPlace;
  tasks: TaskRegistry;
  clock: Clock;
  logger: Logger;
  config: Config;
  onRun: (run: EndedRun) => void;
}): Workers {
  const { process: id, engine, blobs, place, tasks, clock, logger, config, onRun } = params;
  const { cores, memory } = availableMachine();
  const create = (
    own: Pick<WorkerOptions, 'id' | 'types' | 'slots' | 'cores' | 'drainGraceMs' | 'createRunner'>,
  ): Worker =>
    new Worker({
      engine,
      clock,
      log: taskLog(logger),
      jobLog: (job) => taskLog(logger.child({ job: job.id, type: job.type, attempt: job.attempt })),
      onRun: (run) => {
        onRun(run);
        logger.debug(run, 'attempt ran');
      },
      options: {
        ...own,
        leaseMs: leases.lease,
        heartbeatMs: leases.heartbeat,
      },
    });
  const executorOptions = {
    script: new URL('./executor.js', import.meta.url),
    args: (writer: string) => [executorArgument({ config, place, writer })],
    onGone: (writer: string) => void blobs.clear({ writer }).catch((error: unknown) => logger.warn(error)),
    memoryLimit: config.executorMemory,
    graceMs: leases.cancelGrace,
    clock,
  };
  const served = servedTypes(config, tasks);
  const servedOf = (kind: { inline: boolean }) => tasks.typesOf(kind).filter((type) => served.includes(type));
  const types = servedOf({ inline: false });
  const drainGraceMs = 1_000 * config.drainGrace;
  const executors = create({
    id,
    types,
    slots: config.minExecutors,
    cores,
    drainGraceMs,
    createRunner: () => new Executor(executorOptions),
  });
  const host = { tasks, blobs, clock, memoryLimit: memory };
  const createInline = (params: {
    name: string;
    types: readonly string[];
    slots: number;
    resumes?: boolean | undefined;
  }): Worker =>
    create({
      id: `${id}:${params.name}`,
      types: params.types,
      slots: params.slots,
      cores: 1,
      drainGraceMs: params.resumes ? 0 : drainGraceMs,
      createRunner: () => new InlineRunner({ host, graceMs: leases.cancelGrace }),
    });
  const inlineTypes = servedOf({ inline: true });
  const sharing = inlineTypes.filter((type) => tasks.get(type).slots === undefined);
  const all = types.length > 0 ? [executors] : [];
  if (sharing.length > 0)
    all.push(createInline({ name: 'inline', types: sharing, slots: config.inlineSlots }));
  for (const type of inlineTypes) {
    const { slots, resumes } = tasks.get(type);
    if (slots !== undefined) all.push(createInline({ name: type, types: [type], slots, resumes }));
  }
  let stopping = false;
  return {
    executors,
    get healthy() {
      return all.every(({ healthy }) => healthy);
    },
    get busy() {
      return all.reduce((sum, { busy }) => sum + busy, 0);
    },
    get stopping() {
      return stopping;
    },
    info: () =>
      all.map((worker) => ({
        ...worker.info(),
        ...{ process: id, host: hostname(), pool: config.pool },
        ...(stopping && { stopping }),
      })),
    start: () => all.forEach((worker) => worker.start()),
    stop: async (options) => {
      stopping = true;
      await Promise.all(all.map((worker) => worker.stop(options)));
    },
  };
}

function executorArgument(params: { config: Config; place: BlobsPlace; writer: string }): string {
  const { executorMemory, blas, simulate, tasks, allowBuckets } = params.config;
  const argument: ExecutorConfig = {
    parent: process.pid,
    blobs: params.place,
    writer: params.writer,
    memoryLimit: executorMemory,
    simulate,
    tasks,
    allowBuckets,
    blas,
  };
  return JSON.stringify(argument);
}
