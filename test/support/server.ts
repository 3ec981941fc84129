/** A real server for tests: `dist/main.js serve` as a process of its own, on a free port, in its own folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface TestServer {
  readonly url: string;
  readonly pid: number;
  /** The data folder. It survives `kill`, so that another server can be started on it. */
  readonly data: string;
  /** What the process has written so far, for the message of a failing test. */
  output(): string;
  /** SIGTERM, wait for the end, remove the folder if this call of startServer made it. Safe to call again. */
  stop(): Promise<void>;
  /** SIGKILL, and wait for the end. */
  kill(): Promise<void>;
  /** Resolves once the process has ended, for whatever reason, with its exit code or null where it was killed. */
  readonly exited: Promise<number | null>;
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
  const child = spawn(
    process.execPath,
    [options.main ?? main, 'serve', '--port', '0', '--data', data, ...(options.args ?? [])],
    {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.signal && { signal: options.signal, killSignal: 'SIGKILL' }),
    },
  );
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const removeData = async (): Promise<void> => {
    if (options.data === undefined) await rm(data, { recursive: true, force: true });
  };
  const url = await new Promise<string>((resolve, reject) => {
    const listen = (chunk: Buffer): void => {
      output += chunk.toString();
      const ready = /dray is ready at (http:\S+)\n/.exec(output);
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
    await removeData();
    throw error;
  });
  return {
    url,
    pid: child.pid!,
    data,
    output: () => output,
    stop: async () => {
      await end(child, 'SIGTERM');
      await removeData();
    },
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
