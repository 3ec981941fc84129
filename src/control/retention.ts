/** Keeps house: removes finished jobs by age, number and room, their blobs, blobs that no job uses, and unfinished ones. */
import type { BlobStore } from '../blobs/blob-store.js';
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { isFinal } from '../jobs/life-cycle.js';
import {
  madeAt,
  planRetention,
  type RetentionPlan,
  type RetentionPolicy,
  type RetentionSnapshot,
} from '../jobs/retention.js';
import type { TaskLog } from '../tasks/task.js';
import { Loop } from './loop.js';

/** The disk that the blobs are on. */
export interface Disk {
  /** Bytes that this user may still write, and that are taken, by whomever. */
  space(): Promise<{ readonly free: number; readonly used: number }>;
  /** Bytes that the blobs take. Costs a look at each of them. */
  blobBytes(): Promise<number>;
}

/** What one pass has removed. */
export interface Removed {
  readonly jobs: number;
  /** Blobs of those jobs. */
  readonly blobs: number;
  /** Blobs that no job has used. */
  readonly unusedBlobs: number;
}

const intervalMs = 10_000;
/** Work of one pass: a step for jobs is one transaction, a page for blobs one question. */
const stepsAtOnce = 50;
const sweepPage = 1_000;
const deletesAtOnce = 8;

export class Retention {
  readonly #engine: Pick<Engine, 'prune' | 'unusedBlobs' | 'counts' | 'list'>;
  readonly #blobs: Pick<BlobStore, 'list' | 'stat' | 'delete' | 'clear'>;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #log: TaskLog;
  readonly #policy: RetentionPolicy;
  readonly #started: { readonly wall: number; readonly monotonic: number };
  readonly #loop: Loop;
  #stopping = false;
  #sweptTo: string | undefined;

  constructor(params: {
    engine: Pick<Engine, 'prune' | 'unusedBlobs' | 'counts' | 'list'>;
    blobs: Pick<BlobStore, 'list' | 'stat' | 'delete' | 'clear'>;
    disk: Disk;
    clock: Clock;
    log: TaskLog;
    policy: RetentionPolicy;
  }) {
    this.#engine = params.engine;
    this.#blobs = params.blobs;
    this.#disk = params.disk;
    this.#clock = params.clock;
    this.#log = params.log;
    this.#policy = params.policy;
    this.#started = { wall: params.clock.now(), monotonic: params.clock.monotonic() };
    this.#loop = new Loop({ clock: params.clock, intervalMs, pass: () => this.#tryPass() });
  }

  start(): void {
    void this.#loop.start();
  }

  /** Waits for the step in flight. */
  stop(): Promise<void> {
    this.#stopping = true;
    return this.#loop.stop();
  }

  async #tryPass(): Promise<void> {
    try {
      await this.keepHouse();
    } catch (error) {
      this.#log.warn('retention failed, and is tried again', { error: String(error) });
    }
  }

  /** One pass, as the loop makes it every 10 s. */
  async keepHouse(): Promise<Removed> {
    const snapshot = await this.#look();
    const { jobs, blobs } = await this.#prune(snapshot);
    const unusedBlobs = await this.#sweep(planRetention(snapshot, this.#policy));
    if (jobs + blobs + unusedBlobs > 0) this.#log.info('retention', { jobs, blobs, unusedBlobs });
    return { jobs, blobs, unusedBlobs };
  }

  async #look(): Promise<RetentionSnapshot> {
    const types = await this.#engine.counts();
    const statuses = types.flatMap(({ jobs }) => Object.entries(jobs) as [keyof typeof jobs, number][]);
    const finishedJobs = statuses.reduce((sum, [status, count]) => sum + (isFinal(status) ? count : 0), 0);
    const { free, used } = await this.#disk.space();
    // Blobs are at most what is taken in all, so they are weighed only where that is above the share.
    const crowded = used > this.#policy.diskShare * (used + free);
    const blobBytes = crowded ? await this.#disk.blobBytes() : 0;
    const oldestRunAt = await this.#oldestRun();
    return {
      now: this.#now(),
      finishedJobs,
      blobBytes,
      freeBytes: free,
      ...(oldestRunAt !== undefined && { oldestRunAt }),
    };
  }

  /** The wall clock, but never ahead of the time that has really passed: a clock set forward removes nothing. */
  #now(): number {
    const { wall, monotonic } = this.#started;
    return Math.min(this.#clock.now(), wall + this.#clock.monotonic() - monotonic);
  }

  async #oldestRun(): Promise<number | undefined> {
    let oldest: number | undefined;
    let cursor: string | undefined;
    do {
      const page = await this.#engine.list({
        status: 'in-progress',
        limit: 1_000,
        ...(cursor !== undefined && { cursor }),
      });
      for (const { startedAt } of page.jobs) {
        if (startedAt !== undefined) oldest = Math.min(oldest ?? startedAt, startedAt);
      }
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return oldest;
  }

  async #prune(seen: RetentionSnapshot): Promise<{ jobs: number; blobs: number }> {
    let snapshot = seen;
    const total = { jobs: 0, blobs: 0 };
    for (let step = 0; step < stepsAtOnce && !this.#stopping; step++) {
      const plan = planRetention(snapshot, this.#policy);
      const { removed, blobs, more } = await this.#engine.prune(plan.prune);
      const { deleted, freed } = await this.#delete(blobs);
      total.jobs += removed;
      total.blobs += deleted;
      snapshot = {
        ...snapshot,
        finishedJobs: snapshot.finishedJobs - removed,
        blobBytes: Math.max(0, snapshot.blobBytes - freed),
        freeBytes: snapshot.freeBytes + freed,
      };
      if (removed === 0 || (!more && plan.excessBytes === 0)) break;
    }
    return total;
  }

  /**
   * Clears what was begun long ago and never became a blob. Then asks for one page of blobs which of them no job uses,
   * and goes on there the next time. Ids are in the order in which the blobs were begun, so the page ends at the first
   * that is too young.
   */
  async #sweep({ sweepBefore }: RetentionPlan): Promise<number> {
    if (this.#stopping) return 0;
    await this.#blobs.clear({ begunBefore: sweepBefore });
    const after = this.#sweptTo;
    const page = await this.#blobs.list({ limit: sweepPage, ...(after !== undefined && { after }) });
    const old = page.filter((id) => madeAt(id) < sweepBefore);
    this.#sweptTo = old.length === sweepPage ? old.at(-1) : undefined;
    if (old.length === 0) return 0;
    const unused = await this.#engine.unusedBlobs({ blobs: old });
    return (await this.#delete(unused)).deleted;
  }

  /**
   * Leaves what a submission keeps that has come since the engine was asked.
   * @returns how many blobs are gone, and how many bytes that gave.
   */
  async #delete(ids: readonly string[]): Promise<{ deleted: number; freed: number }> {
    let deleted = 0;
    let freed = 0;
    for (let at = 0; at < ids.length; at += deletesAtOnce) {
      const sizes = await Promise.all(
        ids.slice(at, at + deletesAtOnce).map(async (id) => {
          const info = await this.#blobs.stat({ id });
          return (await this.#blobs.delete({ id, unlessKept: true })) ? (info?.size ?? 0) : undefined;
        }),
      );
      for (const size of sizes) {
        if (size === undefined) continue;
        deleted += 1;
        freed += size;
      }
    }
    return { deleted, freed };
  }
}
