/** What this process may use, which in a container is less than what the machine has. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';

export interface Machine {
  /** Whole cores, at least 1. */
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
}

/** @param folder of the control group, in either of the two versions that kernels have. */
export function availableMachine(folder = '/sys/fs/cgroup'): Machine {
  const read = (file: string): string | undefined => readLimit(join(folder, file));
  const quota =
    read('cpu.max')?.split(' ') ?? ['quota', 'period'].map((name) => read(`cpu/cpu.cfs_${name}_us`));
  const share = Number(quota[0]) / Number(quota[1]);
  const memory = Number(read('memory.max') ?? read('memory/memory.limit_in_bytes'));
  return {
    cores: Math.max(1, Math.min(availableParallelism(), share > 0 ? Math.floor(share) : Infinity)),
    memory: Math.min(totalmem(), memory > 0 ? memory : Infinity),
  };
}

function readLimit(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined; // not Linux, or the other version
  }
}
