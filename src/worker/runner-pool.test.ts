import { describe, expect, it } from 'vitest';
import { RunnerPool } from './runner-pool.js';
import { Stop, type Runner } from './runner.js';

class FakeRunner implements Runner {
  usable = true;
  readonly queues = true;
  readonly view = undefined;
  threads: number | undefined;
  closed = false;

  run(): never {
    throw new Error('a pool runs nothing itself');
  }

  setThreads(threads: number): void {
    this.threads = threads;
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

function poolOf(size: number, { depth = 1, cores = 4 } = {}) {
  const made: FakeRunner[] = [];
  const pool = new RunnerPool({
    size,
    cores,
    create: () => {
      const runner = new FakeRunner();
      made.push(runner);
      return runner;
    },
    onFreed: () => undefined,
  });
  pool.depth = depth;
  pool.start();
  return { pool, made };
}

describe('a pool of runners', () => {
  it('lets jobs wait in a runner only when all are busy, and in the one with the fewest', () => {
    const { pool } = poolOf(2, { depth: 3 });
    const given = Array.from({ length: 6 }, () => pool.take());
    const [first, second] = given;
    expect(first).not.toBe(second);
    for (const pair of [given.slice(2, 4), given.slice(4, 6)])
      expect(new Set(pair)).toEqual(new Set([first, second]));
    expect(pool.take()).toBeUndefined();
    expect(pool).toMatchObject({ busy: 2, waiting: 4 });
  });

  it('gives a runner to those who wait for it in the order of their asking', async () => {
    const { pool } = poolOf(1);
    const only = pool.take()!;
    const order: number[] = [];
    const waits = [1, 2].map((number) => pool.acquire(new Stop()).then(() => order.push(number)));
    expect(pool.waiting).toBe(2);
    pool.release(only);
    await waits[0];
    expect(pool).toMatchObject({ busy: 1, waiting: 1 });
    pool.release(only);
    await waits[1];
    expect(order).toEqual([1, 2]);
  });

  it('lets one who is stopped go without a runner, and keeps his place for nobody', async () => {
    const { pool } = poolOf(1);
    const only = pool.take()!;
    const stop = new Stop();
    const stopped = pool.acquire(stop);
    const next = pool.acquire(new Stop());
    stop.stop('cancelled');
    expect(await stopped).toBeUndefined();
    pool.release(only);
    expect(await next).toBe(only);
    expect(pool).toMatchObject({ busy: 1, waiting: 0 });
  });

  it('replaces a runner that can take no more jobs once its last one has ended', () => {
    const { pool, made } = poolOf(1, { depth: 2 });
    const [first, second] = [pool.take()!, pool.take()!];
    expect(second).toBe(first);
    made[0]!.usable = false;
    pool.release(first);
    expect(made[0]!.closed).toBe(false);
    expect(pool.take()).toBeUndefined();
    pool.release(first);
    expect(made[0]!.closed).toBe(true);
    expect(pool.take()).toBe(made[1]);
  });

  it('tells the busy ones how many threads each may use when their number changes', () => {
    const { pool, made } = poolOf(2);
    pool.take();
    const second = pool.take()!;
    expect(made.map(({ threads }) => threads)).toEqual([2, 2]);
    pool.release(second);
    expect(made.map(({ threads }) => threads).sort()).toEqual([2, 4]);
  });

  it('ends a busy one that there should not be when its jobs have ended, and starts no other', () => {
    const { pool, made } = poolOf(2);
    const both = [pool.take()!, pool.take()!];
    pool.resize(1);
    expect(pool.all).toHaveLength(2);
    pool.release(both[0]!);
    expect(made.filter(({ closed }) => closed)).toEqual([both[0]]);
    expect(pool.all).toEqual([both[1]]);
    expect(made).toHaveLength(2);
  });
});
