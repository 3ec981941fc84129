import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { MemoryBlobs } from '../testing/memory-blobs.js';
import { systemClock } from '../clock.js';
import type { Engine, NewJob } from '../engine/engine.js';
import { openSqliteEngine } from '../engine/sqlite/index.js';
import { defaultRetry } from '../jobs/retry.js';
import type { RetentionPolicy } from '../jobs/retention.js';
import { admit } from '../tasks/admission.js';
import { echo } from '../tasks/echo.js';
import { TaskRegistry } from '../tasks/registry.js';
import { Retention } from './retention.js';

const hour = 3_600_000;
const day = 24 * hour;
const policy: RetentionPolicy = { keepForMs: 7 * day, keepJobs: 1_000, diskShare: 0.8, keepUploadsMs: day };
const nothing = { jobs: 0, blobs: 0, unusedBlobs: 0 };

describe('keeping house', () => {
  let folder: string;
  let clock: ManualClock;
  let engine: Engine;
  let blobs: MemoryBlobs;
  /** Of the disk without the blobs. */
  let room: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-retention-'));
    clock = new ManualClock(systemClock.now()); // the ids of blobs are of today
    engine = await openSqliteEngine({ file: join(folder, 'jobs.sqlite'), clock });
    blobs = new MemoryBlobs();
    room = 1e9;
  });

  afterEach(async () => {
    await engine.close();
    await rm(folder, { recursive: true });
  });

  const keeper = (given: Partial<RetentionPolicy> = {}, store = engine) =>
    new Retention({
      engine: store,
      blobs,
      clock,
      disk: {
        space: async () => {
          const used = await blobs.usage();
          return { used, free: room - used };
        },
        blobBytes: () => blobs.usage(),
      },
      log: { info: () => undefined, warn: () => undefined },
      policy: { ...policy, ...given },
    });

  const submit = async (given: Partial<NewJob> = {}): Promise<string> => {
    const id = clock.id();
    const job: NewJob = {
      id,
      type: 'echo',
      input: { inline: null },
      retry: defaultRetry,
      timeoutMs: hour,
      work: 1,
      priority: 'normal',
      labels: {},
      blobs: [],
      ...given,
    };
    await engine.submit({ jobs: [job] });
    return id;
  };
  const finish = async (given: Partial<NewJob> = {}): Promise<string> => {
    const id = await submit(given);
    await engine.cancel({ id });
    clock.advance(1_000);
    return id;
  };
  const left = async (): Promise<string[]> => (await engine.list({ limit: 1_000 })).jobs.map(({ id }) => id);
  const stored = () => blobs.list({ limit: 1_000 });

  it('removes finished jobs that are too old, with their blobs, and no others', async () => {
    const retention = keeper();
    const [own, shared] = [blobs.put(new Uint8Array(10)), blobs.put(new Uint8Array(10))];
    await finish({ blobs: [own, shared] });
    const waiting = await submit({ blobs: [shared] });
    clock.advance(6 * day);
    const young = await finish();
    expect(await retention.keepHouse()).toEqual(nothing);
    clock.advance(day);
    expect(await retention.keepHouse()).toEqual({ jobs: 1, blobs: 1, unusedBlobs: 0 });
    expect(await left()).toEqual([young, waiting]);
    expect(await stored()).toEqual([shared]);
  });

  it('keeps the newest finished jobs where there are too many, in one pass', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 450; index++) ids.push(await finish());
    expect(await keeper({ keepJobs: 3 }).keepHouse()).toMatchObject({ jobs: 447 });
    expect(await left()).toEqual(ids.slice(-3).reverse());
  });

  it('gives up the oldest finished jobs until the blobs are within their share, and never an unfinished one', async () => {
    const waiting = await submit({ blobs: [blobs.put(new Uint8Array(100))] });
    const ids: string[] = [];
    for (let index = 0; index < 90; index++)
      ids.push(await finish({ blobs: [blobs.put(new Uint8Array(10))] }));
    room = 1_000;
    const { jobs } = await keeper({ diskShare: 0.5 }).keepHouse();
    expect(jobs).toBeGreaterThanOrEqual(50);
    expect(jobs).toBeLessThan(90);
    expect(await left()).toEqual([...ids.slice(jobs).reverse(), waiting]);
    expect(await blobs.usage()).toBeLessThanOrEqual(500);
    room = 150;
    await keeper({ diskShare: 0.5 }).keepHouse();
    expect(await left()).toEqual([waiting]);
    expect(await blobs.usage()).toBe(100);
  });

  it('leaves everything where other programs have filled the disk', async () => {
    const id = await finish({ blobs: [blobs.put(new Uint8Array(10))] });
    room = 1e9;
    const retention = new Retention({
      engine,
      blobs,
      clock,
      disk: { space: () => Promise.resolve({ used: 1e9, free: 1_000 }), blobBytes: () => blobs.usage() },
      log: { info: () => undefined, warn: () => undefined },
      policy,
    });
    expect(await retention.keepHouse()).toEqual(nothing);
    expect(await left()).toEqual([id]);
  });

  it('removes uploads that no job uses once they are old enough', async () => {
    const retention = keeper();
    const [used, forgotten] = [blobs.put(new Uint8Array(1)), blobs.put(new Uint8Array(1))];
    await submit({ blobs: [used] });
    clock.advance(day - hour);
    expect(await retention.keepHouse()).toEqual(nothing);
    clock.advance(2 * hour);
    expect(await retention.keepHouse()).toEqual({ jobs: 0, blobs: 0, unusedBlobs: 1 });
    expect(await stored()).toEqual([used]);
    expect(await stored()).not.toContain(forgotten);
  });

  it('clears uploads that were begun as long ago and never ended, and leaves the others', async () => {
    const retention = keeper();
    const unfinished = await blobs.create({ mediaType: 'text/plain' });
    clock.advance(day - hour);
    await retention.keepHouse();
    expect(blobs.open).toBe(1);
    clock.advance(2 * hour);
    await retention.keepHouse();
    expect(blobs.open).toBe(0);
    await expect(unfinished.commit()).rejects.toThrow();
  });

  describe('while a submission names a blob that was just found unused', () => {
    /** Submits after the store has answered, and before retention acts on the answer. */
    const racing = (asked: keyof Engine): Engine => {
      let submitted: Promise<void> | undefined;
      return new Proxy(engine, {
        get: (target, name: keyof Engine) => async (params: never) => {
          const answer: unknown = await (target[name] as (given: never) => Promise<unknown>)(params);
          if (name === asked) await (submitted ??= submission());
          return answer;
        },
      });
    };
    let named: string;
    const submission = async () => {
      const tasks = new TaskRegistry([echo]);
      const job = await admit({ type: 'echo', input: { blob: named } }, { tasks, blobs, clock });
      await engine.submit({ jobs: [job] });
    };
    beforeEach(() => {
      named = blobs.put(new Uint8Array(1));
    });

    it('leaves an old upload', async () => {
      clock.advance(2 * day);
      expect(await keeper({}, racing('unusedBlobs')).keepHouse()).toEqual(nothing);
      expect(await stored()).toEqual([named]);
    });

    it('leaves what only a job of before had used', async () => {
      await finish({ blobs: [named] });
      clock.advance(8 * day);
      expect(await keeper({}, racing('prune')).keepHouse()).toEqual({ jobs: 1, blobs: 0, unusedBlobs: 0 });
      expect(await stored()).toEqual([named]);
    });
  });

  it('looks at every blob, page by page, and starts again', async () => {
    const retention = keeper();
    const used: string[] = [];
    for (let index = 0; index < 1_500; index++) {
      const id = blobs.put(new Uint8Array(1));
      if (index < 1_400) used.push(id);
    }
    await submit({ blobs: used });
    clock.advance(2 * day);
    expect(await retention.keepHouse()).toEqual(nothing);
    expect(await retention.keepHouse()).toMatchObject({ unusedBlobs: 100 });
    expect((await blobs.list({ limit: 2_000 })).length).toBe(1_400);
    blobs.put(new Uint8Array(1));
    clock.advance(2 * day);
    expect(await retention.keepHouse()).toEqual(nothing);
    expect(await retention.keepHouse()).toMatchObject({ unusedBlobs: 1 });
  });

  it('leaves what a running attempt has stored, however long it runs', async () => {
    const retention = keeper();
    await submit();
    const signal = new AbortController().signal;
    const claim = { worker: 'w', types: ['echo'], max: 1, leaseMs: 100 * day, signal };
    const [lease] = await engine.claim(claim);
    const part = blobs.put(new Uint8Array(1));
    clock.advance(3 * day);
    expect(await retention.keepHouse()).toEqual(nothing);
    const { job, token } = lease!;
    await engine.complete({ id: job.id, token, result: { inline: 1 } });
    expect(await retention.keepHouse()).toMatchObject({ unusedBlobs: 1 });
    expect(await stored()).not.toContain(part);
  });

  it('removes nothing because the clock was set forward', async () => {
    const retention = keeper();
    const id = await finish();
    blobs.put(new Uint8Array(1));
    clock.jump(365 * day);
    expect(await retention.keepHouse()).toEqual(nothing);
    expect(await left()).toEqual([id]);
  });

  it('goes on by itself, also after a failure, until it is stopped', async () => {
    let asked = 0;
    const passes = new Set<() => void>();
    const passed = () => new Promise<void>((resolve) => passes.add(resolve));
    const retention = new Retention({
      engine,
      blobs,
      clock,
      disk: {
        space: () => {
          asked += 1;
          return Promise.reject(new Error('the disk is away'));
        },
        blobBytes: () => Promise.resolve(0),
      },
      log: {
        info: () => undefined,
        warn: () => {
          for (const pass of passes) pass();
        },
      },
      policy,
    });
    const first = passed();
    retention.start();
    retention.start();
    await first;
    await new Promise(setImmediate); // the timer is set right after the log line
    const second = passed();
    clock.advance(10_000);
    await second;
    await retention.stop();
    clock.advance(100_000);
    expect(asked).toBe(2);
  });
});
