/** The tasks that every process of Dray knows: those that are built in, and those of the user's modules. */
import { systemClock } from '../clock.js';
import { environment } from '../config/environment.js';
import type { Config } from '../config/options.js';
import { echo } from '../tasks/echo.js';
import { addTasks } from '../tasks/load.js';
import { createMatmul } from '../tasks/matmul/index.js';
import { TaskRegistry } from '../tasks/registry.js';
import { sleep } from '../tasks/sleep.js';
import { createStartEnd } from '../tasks/start-end.js';

/** What decides on them. */
export type TaskConfig = Pick<Config, 'blas' | 'simulate' | 'tasks'>;

/** @throws DrayError `invalid-task` that names the user's module. */
export async function knownTasks({ blas, simulate, tasks }: TaskConfig): Promise<TaskRegistry> {
  const matmul = createMatmul({
    environment,
    simulateSeconds: simulate,
    ...(blas === undefined ? {} : { blas }),
  });
  const startEnd = createStartEnd({ simulateSeconds: simulate, clock: systemClock });
  const registry = new TaskRegistry([matmul, startEnd, echo, sleep]);
  await addTasks(registry, tasks, systemClock);
  return registry;
}
