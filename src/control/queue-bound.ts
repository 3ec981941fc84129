/** Refuses new jobs while too many wait. */
import type { CancelTimer, Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { DrayError } from '../jobs/errors.js';

const intervalMs = 1_000;

/**
 * Asks the store once a second, so that a submit costs nothing more: what is submitted within that second may go
 * beyond the bound.
 */
export class QueueBound {
  readonly #engine: Pick<Engine, 'counts'>;
  readonly #clock: Clock;
  readonly #maxWaiting: number;
  #waiting = 0;
  #running = false;
  #cancelTimer: CancelTimer | undefined;
  #pass: Promise<void> | undefined;

  constructor(params: { engine: Pick<Engine, 'counts'>; clock: Clock; maxWaiting: number }) {
    this.#engine = params.engine;
    this.#clock = params.clock;
    this.#maxWaiting = params.maxWaiting;
  }

  /** Resolves when the queue has been measured for the first time. */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    await this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelTimer?.();
    await this.#pass;
  }

  /** @throws DrayError `queue-full`. */
  refuseWhenFull(): void {
    if (this.#waiting < this.#maxWaiting) return;
    throw new DrayError(
      'queue-full',
      `${this.#waiting} jobs wait, and --max-waiting allows ${this.#maxWaiting}; try again when some have run`,
    );
  }

  #run(): Promise<void> {
    this.#pass = this.#measure().then(() => {
      if (this.#running) this.#cancelTimer = this.#clock.after(intervalMs, () => void this.#run());
    });
    return this.#pass;
  }

  /** A store that does not answer refuses submits by itself, so the latest figure stays. */
  async #measure(): Promise<void> {
    try {
      const types = await this.#engine.counts();
      this.#waiting = types.reduce((sum, { jobs }) => sum + jobs.scheduled + jobs.pending, 0);
    } catch {
      return;
    }
  }
}
