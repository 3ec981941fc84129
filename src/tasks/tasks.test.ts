import { describe, expect, it } from 'vitest';
import { fractionsOf, taskContext } from '../testing/task-context.js';
import { systemClock, type Clock } from '../clock.js';
import { echo } from './echo.js';
import { createSleep } from './sleep.js';
import { PermanentError } from './task.js';

/** Time passes only by sleeping. */
function fakeClock(): Clock & { slept: number } {
  const clock = {
    ...systemClock,
    slept: 0,
    monotonic: () => clock.slept,
    sleep: (ms: number, signal?: AbortSignal) => {
      signal?.throwIfAborted();
      clock.slept += ms;
      return Promise.resolve();
    },
  };
  return clock;
}

describe('the task echo', () => {
  it('gives back its input', async () => {
    expect(await echo.run({ x: [1, null] }, taskContext())).toEqual({ x: [1, null] });
  });
});

describe('the task sleep', () => {
  it('sleeps as long as told and reports progress on the way', async () => {
    const context = taskContext();
    const sleep = createSleep({ clock: fakeClock(), killSelf: () => undefined });
    expect(await sleep.run({ seconds: 10 }, context)).toEqual({ slept: 10, attempt: 1 });
    expect(fractionsOf(context).length).toBeGreaterThan(40);
    expect(fractionsOf(context)).toEqual(fractionsOf(context).toSorted((a, b) => a - b));
    expect(fractionsOf(context).at(-1)).toBe(1);
  });

  it('fails the first attempts, by errors that are retried', async () => {
    const sleep = createSleep({ clock: fakeClock(), killSelf: () => undefined });
    const input = { seconds: 0, failTimes: 2 };
    for (const attempt of [1, 2]) {
      const failure = await Promise.resolve(sleep.run(input, taskContext({ attempt }))).catch(
        (e: unknown) => e,
      );
      expect(failure).toBeInstanceOf(Error);
      expect(failure).not.toBeInstanceOf(PermanentError);
    }
    expect(await sleep.run(input, taskContext({ attempt: 3 }))).toMatchObject({ attempt: 3 });
  });

  it('fails for good when told to', async () => {
    const sleep = createSleep({ clock: fakeClock(), killSelf: () => undefined });
    const run = sleep.run({ seconds: 0, failWith: 'permanent' }, taskContext({ attempt: 7 }));
    await expect(run).rejects.toBeInstanceOf(PermanentError);
  });

  it('kills its process half-way, in the first attempts only', async () => {
    const clock = fakeClock();
    const kills: number[] = [];
    const sleep = createSleep({ clock, killSelf: () => kills.push(clock.slept) });
    await sleep.run({ seconds: 10, crashTimes: 1 }, taskContext({ attempt: 1 }));
    await sleep.run({ seconds: 10, crashTimes: 1 }, taskContext({ attempt: 2 }));
    expect(kills).toEqual([5000]);
  });

  it('ends at once when its signal aborts', async () => {
    const sleep = createSleep({ clock: systemClock, killSelf: () => undefined });
    const context = taskContext({ onProgress: () => context.controller.abort(new Error('cancelled')) });
    await expect(sleep.run({ seconds: 3600 }, context)).rejects.toThrow('cancelled');
  });

  it('is as much work as the milliseconds that it sleeps, and never none', () => {
    const sleep = createSleep({ clock: fakeClock(), killSelf: () => undefined });
    expect([0, 0.0001, 0.25, 1.0004, 86_400].map((seconds) => sleep.work!({ seconds }))).toEqual([
      1, 1, 250, 1_000, 86_400_000,
    ]);
  });

  it('takes the memory that it was told to take', async () => {
    const sleep = createSleep({ clock: fakeClock(), killSelf: () => undefined });
    let most = 0;
    const before = process.memoryUsage.rss();
    const onProgress = (): void => void (most = Math.max(most, process.memoryUsage.rss()));
    await sleep.run({ seconds: 1, memoryMiB: 64 }, taskContext({ onProgress }));
    expect(most - before).toBeGreaterThan(50 * 1024 * 1024);
  });
});
