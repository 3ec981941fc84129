/** The tasks that every process of Dray knows: those that are built in, and those of the user's modules. */
import { systemClock } from '../clock.js';
import type { BlobsPlace } from '../config/blobs-address.js';
import { environment } from '../config/environment.js';
import type { Config } from '../config/options.js';
import { echo } from '../tasks/echo.js';
import { addTasks } from '../tasks/load.js';
import { createMatmul } from '../tasks/matmul/index.js';
import { TaskRegistry } from '../tasks/registry.js';
import { sleep } from '../tasks/sleep.js';
import { createStartEnd } from '../tasks/start-end.js';
import type { Task } from '../tasks/task.js';
import { openUrlObjects } from './blobs.js';

/** What decides on them. */
export type TaskConfig = Pick<Config, 'blas' | 'simulate' | 'tasks' | 'allowBuckets'>;

/**
 * @param place where blobs lie: inputs by url are read from the same server.
 * @param more built-in tasks of processes that have what it takes for them.
 * @throws DrayError `invalid-task` that names the user's module; `invalid-request` that names an option.
 */
export async function knownTasks(
  config: TaskConfig,
  place: BlobsPlace,
  more: readonly Task[] = [],
): Promise<TaskRegistry> {
  const { blas, simulate, tasks, allowBuckets: allowed } = config;
  const urls = await openUrlObjects(place, { allowed, clock: systemClock });
  const matmul = createMatmul({
    environment,
    simulateSeconds: simulate,
    ...(blas !== undefined && { blas }),
    ...(urls && { urls }),
  });
  const startEnd = createStartEnd({ simulateSeconds: simulate, clock: systemClock });
  const registry = new TaskRegistry([matmul, startEnd, echo, sleep, ...more]);
  await addTasks(registry, tasks, systemClock);
  return registry;
}
