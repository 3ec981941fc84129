/** A real server for tests: `dist/main.js serve` as a process of its own, on a free port, in its own folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface TestProcess {
  readonly url: string;
  readonly pid: number;
  /** What the process has written so far, for the message of a failing test. */
  output(): string;
  /** SIGTERM, and wait for the end. Safe to call again. */
  stop(): Promise<void>;
  /** SIGKILL, and wait for the end. */
  kill(): Promise<void>;
  /** Resolves once the process has ended, for whatever reason, with its exit code or null where it was killed. */
  readonly exited: Promise<number | null>;
}

/** `stop` removes the folder too, if this call of startServer made it. */
export interface TestServer extends TestProcess {
  /** The data folder. It survives `kill`, so that another server can be started on it. */
  readonly data: string;
}

export interface ServerOptions {
  /** A folder to use and to leave behind; by default a fresh one. */
  readonly data?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program than this checkout's. */
  readonly main?: string;
  /** Kills the process with -9, whether it is ready or not. */
  readonly signal?: AbortSignal;
}

/** Resolves when the server says that it is ready; rejects with its output when it has ended before. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'dray-test-')));
  const removeData = async (): Promise<void> => {
    if (options.data === undefined) await rm(data, { recursive: true, force: true });
  };
  const args = ['serve', '--port', '0', '--data', data, ...(options.args ?? [])];
  const started = await startProcess({ ...options, args }).catch(async (error: unknown) => {
    await removeData();
    throw error;
  });
  return {
    ...started,
    data,
    stop: async () => {
      await started.stop();
      await removeData();
    },
  };
}

/** `dray` with these arguments: `serve`, or one of the processes of a deployment. As `startServer`, without a folder. */
export async function startProcess(options: Omit<ServerOptions, 'data'>): Promise<TestProcess> {
  const child = spawn(process.execPath, [options.main ?? main, ...(options.args ?? [])], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.signal && { signal: options.signal, killSignal: 'SIGKILL' }),
  });
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    const listen = (chunk: Buffer): void => {
      output += chunk.toString();
      const ready = /dray(?: \w+)? is ready at (http:\S+)\n/.exec(output);
      if (ready) resolve(ready[1]!);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      reject(new Error(`the server ended (${signal ?? code ?? 'unknown'}) before it was ready:\n${output}`));
    });
  }).catch(async (error: unknown) => {
    if (child.pid !== undefined) await exited; // an abort is told before its process is gone
    throw error;
  });
  return {
    url,
    pid: child.pid!,
    output: () => output,
    stop: () => end(child, 'SIGTERM'),
    kill: () => end(child, 'SIGKILL'),
    exited,
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
