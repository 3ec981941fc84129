/**
 * Gives claims the jobs that RabbitMQ delivers: queues are consumed while somebody waits, the priorities take their
 * turns, and a delivery counts only where the record agrees.
 */
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import { priorities, takeTurn, type Priority } from '../../jobs/priority.js';
import type { Log } from '../../log.js';
import type { Lease } from '../engine.js';
import { SharedTurns } from '../turns.js';
import type { Broker, Consumption } from './broker/broker.js';
import { readLease, type ClaimFields } from './records.js';
import { Source, type Ready } from './source.js';

export interface ClaimParams {
  readonly worker: string;
  readonly types: readonly string[];
  readonly max: number;
  readonly ahead?: number;
  readonly leaseMs: number;
  readonly signal: AbortSignal;
}

export type ClaimAnswer = ClaimFields | 'stale' | 'paused' | 'gone' | 'expired';

/** What the hand-out needs of the store. */
export interface ClaimStore {
  /**
   * Leases the jobs of these messages, as far as their records agree. Of their attempts the first `begins` begin now.
   * @returns the time by which they were leased, and one answer for each.
   */
  claim(params: {
    readonly worker: string;
    readonly token: string;
    readonly leaseMs: number;
    readonly begins: number;
    readonly keepForMs: number;
    readonly ready: readonly Ready[];
  }): Promise<{ readonly now: number; readonly answers: readonly ClaimAnswer[] }>;
  /** Makes the record of a message anew. */
  revive(message: Ready['message']): Promise<void>;
}

/** A paused type is looked at again after so long, in ms: the event that it goes on may be lost. */
const pausedMs = 30_000;
/** No consumer holds more deliveries than this that no claim has taken. */
const mostPrefetch = 1_024;
/** A claim that follows the one before within this time, in ms, is the same wait. */
const askAgainMs = 1_000;
/** How often queues that nobody wants from are looked for, in ms. */
const sweepMs = 250;

interface Waiting extends ClaimParams {
  readonly types: readonly string[];
  readonly resolve: (leases: readonly Lease[]) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  readonly leases: Lease[];
  busy: boolean;
}

export class HandOut {
  readonly #store: ClaimStore;
  readonly #broker: Broker;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #keepForMs: number;
  readonly #lingerMs: number;
  readonly #gatherMs: number;
  readonly #sources = new Map<string, Record<Priority, Source>>();
  readonly #turns = new SharedTurns();
  readonly #stopSweep: () => void;
  #waiting: Waiting[] = [];
  #planned = false;
  #closed: DrayError | undefined;
  /** Messages that claimed nothing: their jobs were claimed, cancelled or emitted anew before. */
  stale = 0;
  deadLettered = 0;
  /** When a job was leased last, or somebody began to wait after nobody had for a while. */
  #fedAt: number;
  /** Since when nobody waits, where that is so. */
  #contentAt = -Infinity;

  constructor(params: {
    store: ClaimStore;
    broker: Broker;
    clock: Clock;
    log: Log;
    keepForMs: number;
    /** For how long a queue that nobody waits for is still consumed: no delivery is parked for longer. */
    lingerMs: number;
    /** See Source. */
    gatherMs: number;
  }) {
    this.#store = params.store;
    this.#broker = params.broker;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#keepForMs = params.keepForMs;
    this.#lingerMs = params.lingerMs;
    this.#gatherMs = params.gatherMs;
    this.#fedAt = params.clock.monotonic();
    this.#stopSweep = params.clock.every(sweepMs, () => this.#plan());
  }

  claim(params: ClaimParams): Promise<readonly Lease[]> {
    if (params.signal.aborted || params.max < 1 || params.types.length === 0) return Promise.resolve([]);
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const types = [...new Set(params.types)];
      this.#noteWait();
      const onAbort = () => this.#end(waiting);
      const waiting: Waiting = { ...params, types, resolve, reject, onAbort, leases: [], busy: false };
      this.#waiting.push(waiting);
      params.signal.addEventListener('abort', onAbort, { once: true });
      this.#plan();
    });
  }

  /** The types that claims wait for, and for how long none of them has got anything, in ms. */
  get hungry(): { readonly types: readonly string[]; readonly forMs: number } {
    const types = [...new Set(this.#waiting.flatMap((waiting) => waiting.types))];
    return { types, forMs: types.length === 0 ? 0 : this.#clock.monotonic() - this.#fedAt };
  }

  /** The hand-out of a type was stopped, or goes on. */
  pauseChanged(type: string, paused: boolean): void {
    const sources = this.#sources.get(type);
    if (!sources) return;
    for (const priority of priorities) {
      if (paused) sources[priority].rest(pausedMs);
      else sources[priority].wake();
    }
    this.#plan();
  }

  async close(): Promise<void> {
    this.#closed ??= new DrayError('unavailable', 'The engine is closed.');
    this.#stopSweep();
    for (const waiting of [...this.#waiting]) {
      if (waiting.busy) continue;
      this.#drop(waiting);
      waiting.reject(this.#closed);
    }
    await Promise.all([...this.#allSources()].map((source) => source.close()));
  }

  /** Once for all that happens in one turn of the event loop. */
  #plan(): void {
    if (this.#planned || this.#closed) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#consume();
      for (const waiting of [...this.#waiting]) if (!waiting.busy) this.#serve(waiting);
    });
  }

  /** Opens the queues that are waited for, and closes those that nobody has waited for since a while. */
  #consume(): void {
    const wanted = new Map<string, number>();
    for (const { types, max, ahead = 0, leases } of this.#waiting) {
      // Who leases ahead will soon want as many again: they are on their way while these are leased.
      for (const type of types) wanted.set(type, (wanted.get(type) ?? 0) + max - leases.length + ahead);
    }
    for (const type of wanted.keys()) this.#sourcesOf(type);
    for (const source of this.#allSources()) {
      const demand = wanted.get(source.queue.type) ?? 0;
      const idleMs = source.noteDemand(demand > 0);
      if (demand === 0) {
        if (idleMs >= this.#lingerMs) void source.close();
        continue;
      }
      // In powers of two, as another prefetch is another consumer.
      const prefetch = Math.min(mostPrefetch, 2 ** Math.ceil(Math.log2(demand)));
      if (source.prefetch < prefetch && !source.resting && this.#broker.reachable) source.open(prefetch);
    }
  }

  #serve(waiting: Waiting): void {
    const sources = waiting.types.flatMap((type) => Object.values(this.#sourcesOf(type)));
    const wanted = waiting.max - waiting.leases.length;
    const ready = sources.reduce((sum, source) => sum + source.waiting, 0);
    // What waited before the claim came shares its turns with what arrives first.
    if (sources.some((source) => source.gathering && source.waiting < wanted)) return;
    if (ready === 0) {
      if (waiting.leases.length > 0) this.#answer(waiting);
      return;
    }
    const picked = this.#pick(waiting, sources, Math.min(ready, wanted));
    waiting.busy = true;
    void this.#lease(waiting, picked)
      .then(
        () => {
          waiting.busy = false;
          const done = waiting.leases.length >= waiting.max || waiting.signal.aborted || this.#closed;
          if (done) this.#answer(waiting);
        },
        (error: unknown) => {
          // Whether they were leased is not known. Their messages come again, and say so.
          for (const source of new Set(picked.map((one) => one.source))) source.rest();
          if (waiting.leases.length > 0) this.#answer(waiting);
          else {
            this.#drop(waiting);
            waiting.reject(error);
          }
        },
      )
      .finally(() => this.#plan());
  }

  #pick(waiting: Waiting, sources: readonly Source[], count: number): Ready[] {
    const turns = this.#turns.of(waiting.types);
    const of = (priority: Priority) => sources.filter(({ queue }) => queue.priority === priority);
    const byPriority = Object.fromEntries(priorities.map((priority) => [priority, of(priority)])) as Record<
      Priority,
      Source[]
    >;
    const picked: Ready[] = [];
    while (picked.length < count) {
      const priority = takeTurn(turns, (which) => byPriority[which].some((source) => source.waiting > 0));
      if (priority === undefined) break;
      picked.push(oldest(byPriority[priority]).take());
    }
    return picked;
  }

  /** Leases what the picked messages stand for, and settles them. */
  async #lease(waiting: Waiting, picked: readonly Ready[]): Promise<void> {
    const consumptions = new Map<Source, Consumption | undefined>(
      picked.map(({ source }) => [source, source.consumption]),
    );
    const { worker, leaseMs } = waiting;
    const token = this.#clock.token();
    const begins = Math.max(0, waiting.max - (waiting.ahead ?? 0) - waiting.leases.length);
    const claim = (ready: readonly Ready[], begun: number) =>
      this.#store.claim({ worker, token, leaseMs, begins: begun, keepForMs: this.#keepForMs, ready });
    const { now, answers } = await claim(picked, begins);
    const settled: Ready[] = [];
    const refused = new Map<Source, 'paused' | 'gone'>();
    for (const [index, ready] of picked.entries()) {
      const begun = index < begins;
      let answer = answers[index]!;
      if (answer === 'gone') {
        await this.#store.revive(ready.message);
        this.#log.warn('a job that Redis had lost runs from its message', { job: ready.message.job.id });
        answer = (await claim([ready], begun ? 1 : 0)).answers[0]!;
      }
      if (answer === 'paused' || answer === 'gone') {
        refused.set(ready.source, answer);
        continue;
      }
      if (answer === 'expired') {
        this.deadLettered += 1;
        const from = consumptions.get(ready.source);
        await from?.deadLetter(ready.delivery, 'its job is kept no longer').catch(() => undefined);
      } else if (answer === 'stale') this.stale += 1;
      else waiting.leases.push(readLease(ready.message, answer, { worker, token, ...(begun && { now }) }));
      settled.push(ready);
    }
    if (waiting.leases.length > 0) this.#fedAt = this.#clock.monotonic();
    for (const [source, consumption] of consumptions) {
      const mine = settled.filter((ready) => ready.source === source);
      source.settle(
        mine.map(({ delivery }) => delivery),
        consumption,
      );
    }
    for (const [source, answer] of refused) source.rest(answer === 'paused' ? pausedMs : undefined);
  }

  /** The claim was aborted: what it has is given out, and what is on its way comes with it. */
  #end(waiting: Waiting): void {
    if (waiting.busy || !this.#waiting.includes(waiting)) return;
    this.#answer(waiting);
    this.#plan();
  }

  #answer(waiting: Waiting): void {
    this.#drop(waiting);
    waiting.resolve(waiting.leases);
  }

  #drop(waiting: Waiting): void {
    waiting.signal.removeEventListener('abort', waiting.onAbort);
    this.#waiting = this.#waiting.filter((one) => one !== waiting);
    if (this.#waiting.length === 0) this.#contentAt = this.#clock.monotonic();
  }

  /** Who only asks again goes on waiting. */
  #noteWait(): void {
    const now = this.#clock.monotonic();
    if (this.#waiting.length === 0 && now - this.#contentAt > askAgainMs) this.#fedAt = now;
  }

  #sourcesOf(type: string): Record<Priority, Source> {
    let sources = this.#sources.get(type);
    if (!sources) {
      const open = (priority: Priority): Source =>
        new Source({
          queue: { type, priority },
          broker: this.#broker,
          clock: this.#clock,
          gatherMs: this.#gatherMs,
          onChange: () => this.#plan(),
        });
      sources = { high: open('high'), normal: open('normal'), low: open('low') };
      this.#sources.set(type, sources);
    }
    return sources;
  }

  *#allSources(): Iterable<Source> {
    for (const sources of this.#sources.values()) yield* Object.values(sources);
  }
}

/** The one whose next message has waited longest. */
function oldest(sources: readonly Source[]): Source {
  let found: Source | undefined;
  for (const source of sources) {
    if (source.waiting === 0) continue;
    const [mine, best] = [source.first!.message, found?.first?.message];
    if (
      !best ||
      mine.emittedAt < best.emittedAt ||
      (mine.emittedAt === best.emittedAt && mine.seq < best.seq)
    ) {
      found = source;
    }
  }
  return found!;
}
