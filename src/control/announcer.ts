/** Makes the workers of this process known to the other processes, as long as it lives. */
import type { Clock } from '../clock.js';
import type { Worker } from '../contract/worker.js';
import type { TaskLog } from '../tasks/task.js';
import { Loop } from './loop.js';

export interface Register {
  /** Known for the next `forMs`, in place of what this process said before. */
  announce(params: { process: string; workers: readonly Worker[]; forMs: number }): Promise<void>;
}

const intervalMs = 3_000;
/** Of a process that ended without a word nothing is known after so long. */
const forMs = 10_000;

export class Announcer {
  readonly #register: Register;
  readonly #process: string;
  readonly #workers: () => readonly Worker[];
  readonly #log: TaskLog;
  readonly #loop: Loop;
  #trouble = false;

  constructor(params: {
    register: Register;
    process: string;
    workers: () => readonly Worker[];
    clock: Clock;
    log: TaskLog;
  }) {
    this.#register = params.register;
    this.#process = params.process;
    this.#workers = params.workers;
    this.#log = params.log;
    this.#loop = new Loop({ clock: params.clock, intervalMs, pass: () => this.#announce() });
  }

  start(): void {
    void this.#loop.start();
  }

  /** Says that they are gone. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    const gone = { process: this.#process, workers: [], forMs: 1 };
    await this.#register.announce(gone).catch(() => undefined); // the entry ends by itself
  }

  async #announce(): Promise<void> {
    try {
      await this.#register.announce({ process: this.#process, workers: this.#workers(), forMs });
      this.#trouble = false;
    } catch (error) {
      if (!this.#trouble) this.#log.warn('the workers could not be announced', { error: String(error) });
      this.#trouble = true;
    }
  }
}
