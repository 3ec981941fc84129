/** Starting, asking and ending the processes that a bench needs. Each is ended by its own pid, never by name. */
import { spawn } from 'node:child_process';
import { openSync, closeSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/**
 * Starts a long-running process whose stderr goes to `log`.
 * `stop()` sends SIGTERM, then SIGKILL after ten seconds, and resolves when the process is gone.
 */
export function startProcess({ name, command, args, env, cwd, log, stdout = 'log', ipc = false }) {
  const file = openSync(log, 'a');
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [
      stdout === 'pipe' ? 'pipe' : 'ignore',
      stdout === 'pipe' ? 'pipe' : file,
      file,
      ...(ipc ? ['ipc'] : []),
    ],
  });
  closeSync(file);
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
    /** @throws Error with the end of the log, so that the reason is in the message */
    fail(reason) {
      const tail = readFileSync(log, 'utf8').split('\n').slice(-25).join('\n');
      throw new Error(`${name} ${reason}. The end of its log:\n${tail}`);
    },
  };
}

/** Resolves once `probe` gives true. The probe is repeated every 50 ms, for at most `seconds`. */
export async function ready(service, probe, seconds = 60) {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    if (!service.running()) service.fail(`ended at once (${await service.exited})`);
    if (await probe()) return;
    if (performance.now() > end) service.fail(`was not ready within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A process that answers each line it is sent with one line of JSON. */
export function startAnswerer({ name, command, args, env, cwd, log }) {
  const service = startProcess({ name, command, args, env, cwd, log, stdout: 'pipe' });
  const lines = createInterface({ input: service.child.stdout })[Symbol.asyncIterator]();
  return {
    ...service,
    pid: service.pid,
    async ask(line) {
      service.child.stdin.write(`${line}\n`);
      const answer = await lines.next();
      if (answer.done) service.fail(`ended (${await service.exited})`);
      return JSON.parse(answer.value);
    },
  };
}

/** A free loopback port. Another process may take it before it is used; then the start fails and says so. */
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

/** The largest resident set that the process has had, in bytes. Linux only. */
export const peakMemory = (pid) => memory(pid, 'VmHWM');

/** The resident set of the process now, in bytes. Linux only. */
export const residentMemory = (pid) => memory(pid, 'VmRSS');

function memory(pid, field) {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line[1]) * 1024;
}
