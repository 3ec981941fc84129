/** Starting, watching and ending processes, each by its own pid, never by name. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/**
 * Starts a long-running process whose output goes to the end of `log`; its stdout is a pipe where that is said.
 * `detached` lets it outlive this process, and is told its pid at once, to be noted.
 * `stop()` sends SIGTERM, then SIGKILL after ten seconds; `kill()` sends SIGKILL. Both resolve when it is gone.
 * `fail()` throws an Error with the end of the log.
 * @param {{ name: string, command: string, args: readonly string[], env?: Readonly<Record<string, string>>,
 *   cwd?: string, log: string, stdout?: 'log' | 'pipe', ipc?: boolean, detached?: (pid: number) => void }} options
 * @returns {{ name: string, child: import('node:child_process').ChildProcess, pid: number,
 *   exited: Promise<number | string>, running(): boolean, stop(): Promise<void>, kill(): Promise<void>,
 *   fail(reason: string): never }} `exited` gives the exit code, the signal, or why it could not be started
 */
export function startProcess({ name, command, args, env, cwd, log, stdout = 'log', ipc = false, detached }) {
  const file = openSync(log, 'a', 0o600);
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    detached: detached !== undefined,
    stdio: [
      stdout === 'pipe' ? 'pipe' : 'ignore',
      stdout === 'pipe' ? 'pipe' : file,
      file,
      ...(ipc ? ['ipc'] : []),
    ],
  });
  closeSync(file);
  if (detached && child.pid !== undefined) {
    child.unref();
    detached(child.pid);
  }
  const exited = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code));
    child.once('error', (error) => resolve(error.message));
  });
  const running = () => child.exitCode === null && child.signalCode === null && child.pid !== undefined;
  return {
    name,
    child,
    exited,
    get pid() {
      return child.pid;
    },
    running,
    async stop() {
      if (!running()) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    },
    async kill() {
      if (!running()) return;
      child.kill('SIGKILL');
      await exited;
    },
    fail(reason) {
      const tail = readFileSync(log, 'utf8').split('\n').slice(-25).join('\n');
      throw new Error(`${name} ${reason}. The end of its log:\n${tail}`);
    },
  };
}

/**
 * Resolves once `probe` gives true. The probe is repeated every 50 ms, for at most `seconds`; then the process is
 * stopped.
 */
export async function ready(service, probe, seconds = 60) {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    if (!service.running()) service.fail(`ended at once (${await service.exited})`);
    if (await probe()) return;
    if (performance.now() > end) {
      await service.stop();
      service.fail(`was not ready within ${seconds} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * What tells a process from a later one with the same pid; undefined where there is none.
 * A zombie, which only waits for its parent to look, counts as none.
 */
export function birth(pid) {
  if (process.platform !== 'linux') {
    const ps = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return ps.stdout.trim() || undefined;
  }
  try {
    // The name, in parentheses, may hold blanks; behind it stand the state and, 19 fields on, the start.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** True while the process that was noted with its birth runs. */
export const runs = (noted) => noted.birth !== undefined && birth(noted.pid) === noted.birth;

/** SIGTERM to a process that was noted with its birth, SIGKILL after ten seconds. Resolves when it is gone. */
export async function endProcess(noted) {
  const limit = performance.now() + 10_000;
  if (runs(noted)) process.kill(noted.pid, 'SIGTERM');
  for (let killed = false; runs(noted);) {
    if (!killed && performance.now() > limit) killed = process.kill(noted.pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * A free loopback port. Another process may take it before it is used; then the start fails and says so.
 * @returns {Promise<number>}
 */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** @returns the path of a program: the first of `places` that exists, else what the PATH has, else undefined */
export function findProgram(name, places = []) {
  const place = places.find((path) => existsSync(path));
  if (place) return place;
  const which = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
  return which.status === 0 ? which.stdout.trim() : undefined;
}

/** A server's program is not on this machine. `install` is the command that gets it. */
export class MissingProgram extends Error {
  constructor(name, install) {
    super(`${name} is missing; get it with: ${install}`);
    this.program = name;
    this.install = install;
  }
}
