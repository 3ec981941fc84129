/** What this process may use, which in a container is less than what the machine has. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

export interface Machine {
  /** Whole cores, at least 1. */
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
}

export function availableMachine(): Machine {
  const quota = readCgroup('/sys/fs/cgroup/cpu.max')?.split(' ') ?? [];
  const share = Number(quota[0]) / Number(quota[1]);
  const memory = Number(readCgroup('/sys/fs/cgroup/memory.max'));
  return {
    cores: Math.max(1, Math.min(availableParallelism(), share > 0 ? Math.floor(share) : Infinity)),
    memory: Math.min(totalmem(), memory > 0 ? memory : Infinity),
  };
}

function readCgroup(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined; // not Linux, or no cgroup v2
  }
}
