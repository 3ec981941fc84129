/** A clock that stands still until a test moves it. */
import { systemClock, type CancelTimer, type Clock } from '../../src/clock.js';

interface Timer {
  at: number;
  readonly everyMs: number | undefined;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #wall: number;
  #monotonic = 0;
  readonly #timers = new Set<Timer>();

  /** @param start the wall clock's first reading, in ms since the epoch. */
  constructor(start = 1_750_000_000_000) {
    this.#wall = start;
  }

  /** How many timers run. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, and fires what falls due in them in the order of its moments. */
  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (;;) {
      const next = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#moveTo(Math.max(next.at, this.#monotonic));
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.at += Math.max(1, next.everyMs);
      next.run();
    }
    this.#moveTo(end);
  }

  /** Sets the wall clock forward or back by `ms`, as an operator or NTP would: no time passes. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        cancel();
        reject(signal?.reason as Error);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  after(ms: number, run: () => void): CancelTimer {
    return this.#start({ at: this.#monotonic + ms, everyMs: undefined, run });
  }

  every(ms: number, run: () => void): CancelTimer {
    return this.#start({ at: this.#monotonic + ms, everyMs: ms, run });
  }

  /** Ids, tokens and randomness are the real ones: no two may ever be equal, in tests neither. */
  id(): string {
    return systemClock.id();
  }

  token(): string {
    return systemClock.token();
  }

  random(): number {
    return systemClock.random();
  }

  #start(timer: Timer): CancelTimer {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  #moveTo(monotonic: number): void {
    this.#wall += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }
}
