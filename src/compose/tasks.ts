/** The tasks that every process of Dray knows. */
import { systemClock } from '../clock.js';
import { environment } from '../config/environment.js';
import { echo } from '../tasks/echo.js';
import { createMatmul } from '../tasks/matmul/index.js';
import { TaskRegistry } from '../tasks/registry.js';
import { sleep } from '../tasks/sleep.js';
import { createStartEnd } from '../tasks/start-end.js';

/** @param options.simulate seconds that jobs hold their slot for instead of computing; 0 computes. */
export function builtInTasks(options: { blas: string | undefined; simulate: number }): TaskRegistry {
  const matmul = createMatmul({
    environment,
    simulateSeconds: options.simulate,
    ...(options.blas === undefined ? {} : { blas: options.blas }),
  });
  const startEnd = createStartEnd({ simulateSeconds: options.simulate, clock: systemClock });
  return new TaskRegistry([matmul, startEnd, echo, sleep]);
}
