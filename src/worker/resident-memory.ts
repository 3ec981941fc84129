/** How much memory a process holds, read from outside so that a blocked process is measured too. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const pageSize = 4096;

/** The resident set in bytes; 0 where the process is gone or the system does not say. */
export function residentMemory(pid: number): number {
  try {
    if (process.platform === 'linux') {
      return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * pageSize;
    }
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
  } catch {
    return 0;
  }
}
