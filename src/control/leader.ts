/**
 * Of several controllers one leads. The lock has no fencing, so that for a moment two may lead: whatever a leader
 * does must be safe when it is done twice.
 */
import type { CancelTimer, Clock } from '../clock.js';
import { Trouble } from '../log.js';
import type { TaskLog } from '../tasks/task.js';
import { Loop } from './loop.js';

export interface LeaderLock {
  /** True where `holder` leads for the next `forMs`. */
  lead(params: { holder: string; forMs: number }): Promise<boolean>;
  /** Lets another lead at once. */
  resign(params: { holder: string }): Promise<void>;
}

/** What the leader does, from now on until it is stopped. */
export type Duties = { stop(): Promise<unknown> };

const leaseMs = 5_000;
const renewMs = 1_500;
/** Without a turn of the loop for so long it counts as stuck. */
const stuckMs = 30_000;

export class Leader {
  readonly #lock: LeaderLock;
  readonly #holder: string;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #begin: () => Duties;
  readonly #loop: Loop;
  #duties: Duties | undefined;
  /** Duties that were ended and are not over yet: the next ones begin after them. */
  #ending: Promise<unknown> = Promise.resolve();
  #cancelDeadline: CancelTimer = () => undefined;
  #turnedAt: number;
  readonly #trouble: Trouble;

  /** @param params.begin is called each time that it becomes the leader. */
  constructor(params: { lock: LeaderLock; holder: string; clock: Clock; log: TaskLog; begin: () => Duties }) {
    this.#lock = params.lock;
    this.#holder = params.holder;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#begin = params.begin;
    this.#trouble = new Trouble({
      log: params.log,
      begins: 'the leader’s lock does not answer',
      ends: 'the leader’s lock answers again',
    });
    this.#turnedAt = params.clock.monotonic();
    this.#loop = new Loop({ clock: params.clock, intervalMs: renewMs, pass: () => this.#renew() });
  }

  get leads(): boolean {
    return this.#duties !== undefined;
  }

  /** False where the loop has not turned for so long that it must be stuck. */
  get healthy(): boolean {
    return this.#clock.monotonic() - this.#turnedAt < stuckMs;
  }

  start(): void {
    void this.#loop.start();
  }

  /** Ends the duties, then lets another lead. */
  async stop(): Promise<void> {
    this.#end('this controller stops');
    await this.#loop.stop();
    this.#end('this controller stops'); // the pass in flight may have become the leader
    await this.#ending;
    await this.#lock.resign({ holder: this.#holder }).catch(() => undefined); // the lock ends by itself
  }

  async #renew(): Promise<void> {
    // From before the question: the lock ends that much after the server has heard it, which is later.
    const until = this.#clock.monotonic() + leaseMs;
    try {
      const leads = await this.#lock.lead({ holder: this.#holder, forMs: leaseMs });
      if (leads && this.#loop.running) await this.#lead(until);
      else this.#end('another controller leads');
      this.#trouble.over();
    } catch (error) {
      // The lock may still stand; the deadline ends the duties where it does not.
      this.#trouble.met({ error: String(error) });
    }
    this.#turnedAt = this.#clock.monotonic();
  }

  async #lead(until: number): Promise<void> {
    const leftMs = (): number => until - this.#clock.monotonic();
    if (leftMs() <= 0) {
      this.#end('the lock was renewed too late'); // its answer took longer than it holds
      return;
    }
    this.#cancelDeadline();
    this.#cancelDeadline = this.#clock.after(leftMs(), () => this.#end('the lock was not renewed in time'));
    if (this.#duties) return;
    await this.#ending;
    if (leftMs() <= 0 || !this.#loop.running) return;
    this.#log.info('this controller leads', { holder: this.#holder });
    this.#duties = this.#begin();
  }

  #end(why: string): void {
    this.#cancelDeadline();
    if (!this.#duties) return;
    this.#log.info('this controller leads no more', { why });
    this.#ending = this.#duties.stop().catch((error: unknown) => {
      this.#log.warn('what the leader did could not be ended', { error: String(error) });
    });
    this.#duties = undefined;
  }
}
