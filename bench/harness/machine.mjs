/** What the figures were measured on, kept beside them. Names of hosts and paths stay out. */
import { cpus, totalmem, availableParallelism, loadavg } from 'node:os';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export function machine() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    /** Above a few tenths something else was running, and absolute figures mean little. */
    loadBefore: Math.round(loadavg()[0] * 100) / 100,
  };
}

/** Compiles peak.c for this machine. Gives a function that measures its FMA peak for some seconds. */
export function fmaPeak(scratch) {
  const source = new URL('../peak.c', import.meta.url).pathname;
  const program = join(scratch, 'peak');
  const gcc = spawnSync('gcc', ['-O3', '-march=native', '-pthread', source, '-o', program], {
    encoding: 'utf8',
  });
  if (gcc.error) throw new Error('gcc is missing: on Debian, apt-get install gcc libc6-dev');
  if (gcc.status !== 0) throw new Error(`peak.c does not compile:\n${gcc.stderr}`);
  return (seconds) => {
    const run = spawnSync(program, [String(seconds)], { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`peak ended with ${run.status ?? run.signal}: ${run.stderr}`);
    return JSON.parse(run.stdout);
  };
}
