/** Chooses the kernel: a CBLAS library where there is one, plain TypeScript otherwise. */
import { loadBlas, type BlasChoice } from './blas.js';
import type { Kernel } from './kernel.js';
import { plainKernel } from './plain.js';

export interface LoadedKernel {
  readonly kernel: Kernel;
  /** Set where the fast kernel is missing: why, and how to get it. */
  readonly advice?: string;
}

/** The value of the BLAS option that asks for the TypeScript kernel. */
export const noBlas = 'none';

/**
 * @throws Error where `path` names a library that cannot be used: whoever names one wants it and no other.
 */
export async function loadKernel(choice: BlasChoice): Promise<LoadedKernel> {
  if (choice.path === noBlas) return { kernel: plainKernel() };
  try {
    return { kernel: await loadBlas(choice) };
  } catch (error) {
    if (choice.path !== undefined) throw error;
    return { kernel: plainKernel(), advice: `${howToGetBlas()} (${(error as Error).message})` };
  }
}

function howToGetBlas(): string {
  const start = 'Matrices are multiplied by the TypeScript kernel, which is many times slower than a BLAS.';
  if (process.platform === 'darwin') return `${start} Install one with: brew install openblas`;
  if (process.platform !== 'linux') return `${start} Install OpenBLAS and name its library.`;
  return (
    `${start} Install one with: apt-get install libopenblas0-pthread (Debian, Ubuntu), ` +
    'dnf install openblas-threads (Fedora) or apk add openblas (Alpine)'
  );
}
