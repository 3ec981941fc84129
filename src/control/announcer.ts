/** Makes the workers of this process known to the other processes, as long as it lives. */
import type { Clock } from '../clock.js';
import type { Worker } from '../contract/worker.js';
import { Trouble, type Log } from '../log.js';
import { Loop } from './loop.js';

export interface Register {
  /** Known for the next `forMs`, in place of what this process said before. */
  announce(params: { process: string; workers: readonly Worker[]; forMs: number }): Promise<void>;
}

/** What is announced. */
export interface AnnouncedWorkers {
  /** How many jobs they have; cheap to ask. */
  readonly busy: number;
  /** True once they take no new jobs. */
  readonly stopping: boolean;
  info(): readonly Worker[];
}

const intervalMs = 3_000;
/** That a process has become idle or busy decides whether it may go: that is told as soon as it is seen. */
const lookMs = 250;
/** And yet not more often than this; that it stops, which happens once, does not wait for it. */
const leastMs = 1_000;
/** Of a process that ended without a word nothing is known after so long. */
const forMs = 10_000;

export class Announcer {
  readonly #register: Register;
  readonly #process: string;
  readonly #workers: AnnouncedWorkers;
  readonly #clock: Clock;
  readonly #loop: Loop;
  readonly #trouble: Trouble;
  #latest: { readonly at: number; readonly idle: boolean; readonly stopping: boolean } | undefined;

  constructor(params: {
    register: Register;
    process: string;
    workers: AnnouncedWorkers;
    clock: Clock;
    log: Log;
  }) {
    this.#register = params.register;
    this.#process = params.process;
    this.#workers = params.workers;
    this.#clock = params.clock;
    this.#loop = new Loop({ clock: params.clock, intervalMs: lookMs, pass: () => this.#look() });
    this.#trouble = new Trouble({
      log: params.log,
      begins: 'the workers could not be announced',
      ends: 'the workers are announced again',
    });
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

  async #look(): Promise<void> {
    const at = this.#clock.monotonic();
    const { stopping } = this.#workers;
    const idle = this.#workers.busy === 0;
    if (this.#latest?.stopping === stopping) {
      const passedMs = at - this.#latest.at;
      if (passedMs < (idle === this.#latest.idle ? intervalMs : leastMs)) return;
    }
    this.#latest = { at, idle, stopping };
    try {
      await this.#register.announce({ process: this.#process, workers: this.#workers.info(), forMs });
      this.#trouble.over();
    } catch (error) {
      this.#trouble.met({ error: String(error) });
    }
  }
}
