/** `dray api`, `dray worker` or `dray controller` as a process of its own, and what its log tells of attempts. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { main } from '../../support/server.js';

export type Mode = 'api' | 'worker' | 'controller';

/** Of the log, for the message of a failing run. */
const mostLines = 200;

export class DrayProcess {
  readonly mode: Mode;
  readonly exited: Promise<number | null>;
  /** Attempts that this process says to have completed, by job. */
  readonly completions: string[] = [];
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #url = '';

  /** Resolves when the process says that it is ready. @throws Error with its output where it ends before. */
  static async start(params: {
    mode: Mode;
    args: readonly string[];
    env: Readonly<Record<string, string>>;
    after: (end: () => unknown) => void;
  }): Promise<DrayProcess> {
    const process = new DrayProcess(params.mode, params.args, params.env);
    params.after(() => process.kill());
    await process.#ready();
    return process;
  }

  private constructor(mode: Mode, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.mode = mode;
    this.#child = spawn(process.execPath, [main, mode, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve) => this.#child.once('exit', resolve));
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.#note(line));
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get url(): string {
    return this.#url;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of what it has written, without the ends of attempts: jobs have them in their history. */
  get output(): string {
    return this.#lines.map((line) => `${this.mode} ${this.pid}: ${line}`).join('\n');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }

  #note(line: string): void {
    const ready = / is ready at (http:\S+)$/.exec(line);
    if (ready) this.#url = ready[1]!;
    if (line.includes('"msg":"attempt ran"')) {
      const run = JSON.parse(line) as { job: string; outcome: string };
      if (run.outcome === 'completed') this.completions.push(run.job);
      return;
    }
    if (line.includes('"msg":"attempt ended"')) return;
    this.#lines.push(line);
    if (this.#lines.length > mostLines) this.#lines.shift();
    if (ready) this.#child.emit('ready');
  }

  async #ready(): Promise<void> {
    const ready = once(this.#child, 'ready');
    const ended = this.exited.then((code) => {
      if (this.#url === '') throw new Error(`dray ${this.mode} ended (${code ?? 'killed'}):\n${this.output}`);
    });
    await Promise.race([ready, ended]);
  }
}
