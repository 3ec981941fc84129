/** What a process that computes says of it at its start. */
import { environment } from '../config/environment.js';
import { DrayError } from '../jobs/errors.js';
import type { Log } from '../log.js';
import { loadKernel } from '../tasks/matmul/kernel/load.js';

/**
 * Says which kernel multiplies matrices, and how to get the fast one where it is missing.
 * @throws DrayError `invalid-request` where the library that was named cannot be used.
 */
export async function sayKernel(log: Log, blas: string | undefined): Promise<void> {
  const { kernel, advice } = await loadKernel({ environment, path: blas }).catch((error: unknown) => {
    throw new DrayError('invalid-request', `--blas ${blas ?? ''}: ${(error as Error).message}`, {
      field: 'blas',
    });
  });
  if (advice === undefined) log.info('matrix kernel', { kernel: kernel.name });
  else log.warn(advice, { kernel: kernel.name });
}
