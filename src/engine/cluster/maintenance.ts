/** What a leader does besides: jobs whose messages were lost get new ones, and no clock takes a lease away. */
import type { Clock } from '../../clock.js';
import type { Priority } from '../../jobs/priority.js';
import type { Log } from '../../log.js';
import type { Broker } from './broker/broker.js';
import { readMessage } from './message.js';
import type { Store } from './store.js';

/** A message without a confirm for so long was published by nobody who lives, in ms. */
const unsentMs = 7_000;
/** How often lost messages are looked for, in ms. */
const lookEveryMs = 5_000;
/** A job that has waited so long while its queue is empty has no message, in ms. */
const emptyQueueMs = 30_000;
/** Where a job that was emitted so much later was claimed before it, it has no message, in ms. */
const overtakenMs = 60_000;
/** A clock that differs so much from the time that passed was set, in ms. */
const jumpMs = 2_000;
/** Times that are further apart are not compared, in ms. */
const watchedMs = 10_000;
const atOnce = 256;

export class Maintenance {
  readonly #store: Store;
  readonly #broker: Broker;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #log: Log;
  #lookedAt = -Infinity;
  #runId: string | undefined;
  /** The time of Redis less our own monotonic one. */
  #offset: { readonly ms: number; readonly at: number } | undefined;
  /** Since this process started. */
  reemitted = 0;

  constructor(params: { store: Store; broker: Broker; clock: Pick<Clock, 'monotonic'>; log: Log }) {
    this.#store = params.store;
    this.#broker = params.broker;
    this.#clock = params.clock;
    this.#log = params.log;
  }

  /** Before leases are expired. Only who has watched the clock before can see that it was set. */
  async followClock(): Promise<void> {
    const before = this.#clock.monotonic();
    const time = await this.#store.time();
    const after = this.#clock.monotonic();
    // An answer that was long under way says too little.
    if (after - before > jumpMs) return;
    const known = this.#offset;
    this.#offset = { ms: time - (before + after) / 2, at: after };
    // Who has not watched for a while does not know whether others have moved the leases already.
    if (known === undefined || after - known.at > watchedMs) return;
    const jump = this.#offset.ms - known.ms;
    if (Math.abs(jump) < jumpMs) return;
    this.#log.warn('the clock of Redis was set; leases move with it', { byMs: Math.round(jump) });
    await this.#store.one('shift-leases', { byMs: Math.round(jump) });
  }

  async pass(): Promise<void> {
    if (!this.#broker.reachable) return;
    await this.#resend();
    if (this.#clock.monotonic() - this.#lookedAt < lookEveryMs) return;
    this.#lookedAt = this.#clock.monotonic();
    await this.#findLost();
    await this.#drainDeadLetters();
  }

  async #resend(): Promise<void> {
    for (let taken = atOnce; taken === atOnce;) {
      taken = (await this.#store.one('outbox', { olderThanMs: unsentMs, limit: atOnce })) as number;
      this.reemitted += taken;
      await this.#store.sent(); // so that no more of them are held here
    }
  }

  async #findLost(): Promise<void> {
    const now = await this.#store.time();
    const runId = await this.#store.runId();
    // A Redis that was started anew may have lost its last second: what it knows may have been emitted earlier.
    const restarted = this.#runId !== undefined && this.#runId !== runId;
    if (restarted) await this.#store.rewriteFile();
    for (const type of await this.#store.readyTypes()) {
      for (const { priority, waiting, claimedUpTo } of type.queues) {
        if (waiting === 0) continue;
        const queue = { type: type.name, priority };
        const overtaken = claimedUpTo - overtakenMs;
        const empty = ((await this.#broker.depth(queue))?.messages ?? 0) === 0 ? now - emptyQueueMs : 0;
        const before = restarted ? now : Math.max(overtaken, empty);
        if (before > 0) await this.#reemit(queue, before, restarted);
      }
    }
    this.#runId = runId;
  }

  /** Those that have waited longest come first, so it ends at a page without a lost one, unless all are to be seen. */
  async #reemit(queue: { type: string; priority: Priority }, before: number, all: boolean): Promise<void> {
    let total = 0;
    for (let from = 0, more = true; more; from += atOnce) {
      const request = { ...queue, before, from, limit: atOnce };
      const [looked, emitted] = (await this.#store.one('reemit', request)) as [number, number];
      total += emitted;
      await this.#store.sent();
      more = looked === atOnce && (all || emitted > 0);
    }
    this.reemitted += total;
    if (total > 0)
      this.#log.warn('messages were lost; their jobs are handed out anew', { ...queue, jobs: total });
  }

  /** What the broker set aside by itself goes back where its job still waits; the rest stays to be looked at. */
  async #drainDeadLetters(): Promise<void> {
    await this.#broker.drainDeadLetters({
      limit: atOnce,
      handle: async ({ body, reason }) => {
        if (reason !== undefined) return false;
        const message = readMessage(body);
        if (typeof message === 'string') return false;
        const job = await this.#store.get(message.job.id);
        if (job && job.status !== 'pending') return true;
        const { id, type, priority } = message.job;
        const [sent] = await this.#broker.publish([{ id, type, priority, emission: message.emission, body }]);
        return sent === true;
      },
    });
  }
}
