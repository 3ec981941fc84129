/** How much memory a process holds, read from outside so that a blocked process is measured too. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const onLinux = process.platform === 'linux';

/** How often it is worth asking, in ms: elsewhere than on Linux each question starts a process. */
export const memoryInterval = onLinux ? 50 : 1_000;

/** The resident set in bytes; 0 where the process is gone or the system does not say. */
export function residentMemory(pid: number): number {
  try {
    const kilobytes = onLinux
      ? /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
      : execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' });
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
