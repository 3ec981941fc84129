/** Does something again and again, each time so long after the time before has ended. */
import type { CancelTimer, Clock } from '../clock.js';

export class Loop {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #pass: () => Promise<unknown>;
  #running = false;
  #cancelTimer: CancelTimer | undefined;
  #current: Promise<void> | undefined;

  /** @param params.pass never rejects. */
  constructor(params: { clock: Clock; intervalMs: number; pass: () => Promise<unknown> }) {
    this.#clock = params.clock;
    this.#intervalMs = params.intervalMs;
    this.#pass = params.pass;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Resolves when the first pass has ended. */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    await this.#run();
  }

  /** Waits for the pass in flight. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelTimer?.();
    await this.#current;
  }

  #run(): Promise<void> {
    // One at a time, also where it is started again while it stops.
    return (this.#current ??= this.#pass().then(() => {
      this.#current = undefined;
      if (this.#running) this.#cancelTimer = this.#clock.after(this.#intervalMs, () => void this.#run());
    }));
  }
}
