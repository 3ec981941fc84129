/** The tasks that every process of Dray knows. */
import { environment } from '../config/environment.js';
import { echo } from '../tasks/echo.js';
import { createMatmul } from '../tasks/matmul/index.js';
import { TaskRegistry } from '../tasks/registry.js';
import { sleep } from '../tasks/sleep.js';

export function builtInTasks(options: { blas: string | undefined }): TaskRegistry {
  const matmul = createMatmul({
    environment,
    ...(options.blas === undefined ? {} : { blas: options.blas }),
  });
  return new TaskRegistry([matmul, echo, sleep]);
}
