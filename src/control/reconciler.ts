/** Keeps time for the engine: releases due jobs and expires lost leases, soon after they are due. */
import type { CancelTimer, Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import type { TaskLog } from '../tasks/task.js';

const intervalMs = 1_000;

export class Reconciler {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  #cancelTimer: CancelTimer | undefined;
  #unsubscribe: (() => void) | undefined;
  #pass: Promise<void> | undefined;
  #again = false;

  constructor(params: { engine: Engine; clock: Clock; log: TaskLog }) {
    this.#engine = params.engine;
    this.#clock = params.clock;
    this.#log = params.log;
  }

  start(): void {
    if (this.#unsubscribe) return;
    // A job that was just scheduled may be due before the next pass.
    this.#unsubscribe = this.#engine.subscribe((event) => {
      if (event.status === 'scheduled') this.#run();
    });
    this.#run();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#cancelTimer?.();
    await this.#pass;
    this.#cancelTimer?.();
  }

  #run(): void {
    if (this.#pass) {
      this.#again = true;
      return;
    }
    this.#cancelTimer?.();
    this.#pass = this.#maintain().then((nextMs) => {
      this.#pass = undefined;
      if (!this.#unsubscribe) return;
      const pause = this.#again ? 0 : nextMs;
      this.#again = false;
      this.#cancelTimer = this.#clock.after(pause, () => this.#run());
    });
  }

  async #maintain(): Promise<number> {
    try {
      const { expired, nextDueInMs = intervalMs } = await this.#engine.maintain();
      if (expired > 0) this.#log.warn('leases expired', { expired });
      return Math.min(intervalMs, Math.max(0, nextDueInMs));
    } catch (error) {
      this.#log.warn('maintenance failed', { error: String(error) });
      return intervalMs;
    }
  }
}
