/**
 * The command of podman or docker as a child process: never a shell's line, always with an end. Children are leaders
 * of process groups of their own, so that a Ctrl-C in the terminal of the server does not cut a command in two.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { CancelTimer, Clock } from '../../../clock.js';
import { DrayError } from '../../../jobs/errors.js';

type Child = ChildProcessByStdio<null, Readable, Readable | null>;

export interface Outcome {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  /** What it said last, for people. */
  readonly stderr: string;
}

/** Fifty containers that begin at once would otherwise be fifty programs at once. */
const atATime = 4;
/** In ms: a machine may be busy. */
const shortTime = 60_000;
/** What inspecting a few thousand containers prints. */
const maxStdout = 64 * 1024 ** 2;
const maxStderr = 16 * 1024;
/** From being asked to end until being killed, in ms. */
const grace = 2_000;

export class Program {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #short = new Set<Child>();
  readonly #long = new Set<Child>();
  readonly #queue: (() => void)[] = [];
  #free = atATime;

  constructor(params: { path: string; clock: Clock }) {
    this.#path = params.path;
    this.#clock = params.clock;
  }

  /**
   * A command that is done in a moment.
   * @param cwd the folder that it works in; by default that of this process.
   * @throws DrayError `unavailable` where there is no such program, or it takes longer than a minute.
   */
  async short(args: readonly string[], cwd?: string): Promise<Outcome> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#free -= 1;
    try {
      return await this.#run(this.#spawn(args, this.#short, cwd), args, shortTime);
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  /**
   * A command that waits, for what another machine or a container does.
   * @throws DrayError `unavailable` as above; the signal's reason when aborted.
   */
  async long(
    args: readonly string[],
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<Outcome> {
    signal?.throwIfAborted();
    const outcome = await this.#run(this.#spawn(args, this.#long), args, timeoutMs, signal);
    signal?.throwIfAborted();
    return outcome;
  }

  #spawn(
    args: readonly string[],
    kind: Set<Child>,
    cwd?: string,
  ): ChildProcessByStdio<null, Readable, Readable> {
    const child = spawn(this.#path, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, cwd });
    keep(child, kind);
    return child;
  }

  async #run(
    child: ChildProcessByStdio<null, Readable, Readable>,
    args: readonly string[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Outcome> {
    let late = false as boolean;
    const stop = this.#end(child, signal);
    const cancel = this.#clock.after(timeoutMs, () => {
      late = true;
      stop();
    });
    const stdout: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxStdout) stdout.push(chunk);
      else stop();
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-maxStderr);
    });
    try {
      const code = await this.#exit(child);
      if (late) throw this.#unavailable(`${args[0]!} has not answered within ${timeoutMs / 1000} s`);
      if (size > maxStdout) throw this.#unavailable(`${args[0]!} prints more than ${maxStdout} bytes`);
      return { code, stdout: Buffer.concat(stdout).toString(), stderr: stderr.trim() };
    } finally {
      cancel();
    }
  }

  /**
   * What a command prints, both streams in the order in which they come; returns its exit code. Ends the command
   * when aborted or left.
   */
  async *printed(args: readonly string[], signal: AbortSignal): AsyncGenerator<Buffer, number | null> {
    if (signal.aborted) return null;
    // Two pipes would lose the order between the streams, and only a shell can give both the same one. Its line is
    // this constant: the words of the command are parameters, which no shell reads.
    const child = spawn('/bin/sh', ['-c', 'exec "$@" 2>&1', 'sh', this.#path, ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    }) as Child;
    keep(child, this.#long);
    const stop = this.#end(child, signal);
    const exit = this.#exit(child);
    exit.catch(() => undefined); // it is looked at once all is read
    try {
      for await (const chunk of child.stdout) yield chunk as Buffer;
      return await exit;
    } finally {
      stop();
      await exit;
    }
  }

  /** Ends what waits or reads, and waits for what is done in a moment: a container would be half made, or half gone. */
  async close(): Promise<void> {
    for (const child of this.#long) this.#end(child)();
    const all = [...this.#short, ...this.#long];
    await Promise.all(all.map((child) => this.#exit(child).catch(() => undefined)));
  }

  /** @returns what asks the child to end, and kills it where it does not; so does the signal. */
  #end(child: Child, signal?: AbortSignal): () => void {
    let cancel: CancelTimer = () => undefined;
    const stop = (): void => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      toGroup(child, 'SIGTERM');
      cancel();
      cancel = this.#clock.after(grace, () => toGroup(child, 'SIGKILL'));
    };
    signal?.addEventListener('abort', stop);
    child.once('close', () => {
      cancel();
      signal?.removeEventListener('abort', stop);
    });
    return stop;
  }

  #exit(child: Child): Promise<number | null> {
    return new Promise((resolve, reject) => {
      child.once('error', (error) => reject(this.#unavailable(error.message)));
      child.once('close', resolve);
    });
  }

  #unavailable(why: string): DrayError {
    return new DrayError('unavailable', `${this.#path}: ${why}`);
  }
}

function keep(child: Child, kind: Set<Child>): void {
  kind.add(child);
  child.once('close', () => kind.delete(child));
}

/** Without root, podman is two processes: both are in the group. */
function toGroup(child: Child, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // it has ended meanwhile
  }
}

/** Where both programs say what went wrong. */
export function lastLine(stderr: string): string {
  const line = stderr.split('\n').at(-1) ?? '';
  return line.replace(/^Error(?: response from daemon)?:\s*/, '').slice(0, 1_000);
}
