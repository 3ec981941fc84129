import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { statuses, type Status } from '../jobs/life-cycle.js';
import type { Job } from '../engine/engine.js';
import { ContainerKeeper, judge } from './containers.js';

/** A runtime and an engine that only remember. */
function setup() {
  const clock = new ManualClock();
  const containers = new Map<string, boolean>();
  const jobs = new Map<string, Status>();
  const done: string[] = [];
  const looks = { count: 0, away: false, passed: (): void => undefined };
  const keeper = new ContainerKeeper({
    runtime: {
      list: () => {
        looks.count += 1;
        if (looks.away) return Promise.reject(new Error('away'));
        return Promise.resolve([...containers].map(([jobId, running]) => ({ jobId, running })));
      },
      release: ({ jobId }) => Promise.resolve(void done.push(`release ${jobId}`)),
      remove: ({ jobId }) => {
        if (jobId === 'stuck') return Promise.reject(new Error('stuck'));
        return Promise.resolve(void done.push(`remove ${jobId}`));
      },
    },
    engine: {
      get: ({ id }) => {
        const status = jobs.get(id);
        return Promise.resolve(status === undefined ? undefined : ({ id, status } as Job));
      },
    },
    clock,
    log: { info: () => undefined, warn: () => undefined },
  });
  return { clock, containers, jobs, done, looks, keeper };
}

describe('the keeper of containers', () => {
  it.each(statuses)('judges containers of a job that is %s', (status) => {
    const final = ['completed', 'failed', 'cancelled'].includes(status);
    expect(judge({ status, running: false, missed: true })).toBe(final ? 'release' : 'keep');
    expect(judge({ status, running: true, missed: true })).toBe(final ? 'remove' : 'keep');
  });

  it('removes a container without a job when the job is missed for the second time in a row', async () => {
    const { containers, jobs, done, keeper } = setup();
    containers.set('a', true).set('b', false);
    await keeper.keep();
    jobs.set('a', 'in-progress');
    expect(done).toEqual([]);
    await keeper.keep();
    expect(done).toEqual(['remove b']);
    jobs.delete('a');
    await keeper.keep();
    expect(done).toEqual(['remove b', 'remove b']);
    await keeper.keep();
    expect(done).toContain('remove a');
  });

  it('releases what ended and removes what goes on, once their jobs are final', async () => {
    const { containers, jobs, done, keeper } = setup();
    containers.set('done', false).set('cancelled', true).set('redriven', false);
    jobs.set('done', 'completed').set('cancelled', 'cancelled').set('redriven', 'pending');
    expect(await keeper.keep()).toBe(3);
    expect(done.sort()).toEqual(['release done', 'remove cancelled']);
  });

  it('sees to the others where one cannot be removed', async () => {
    const { containers, jobs, done, keeper } = setup();
    for (const id of ['stuck', 'next', ...Array.from({ length: 20 }, (_, at) => `more-${at}`)]) {
      containers.set(id, true);
      jobs.set(id, 'failed');
    }
    await expect(keeper.keep()).rejects.toThrow('stuck');
    expect(done).toHaveLength(21);
  });

  it('looks every 5 s while there are containers, and every 30 s while there are none', async () => {
    const { clock, containers, jobs, looks, keeper } = setup();
    const pass = async (ms: number): Promise<number> => {
      clock.advance(ms);
      await new Promise((resolve) => setImmediate(resolve));
      return looks.count;
    };
    jobs.set('a', 'in-progress');
    keeper.start();
    expect(await pass(0)).toBe(1);
    for (let at = 0; at < 5; at++) expect(await pass(5_000)).toBe(1);
    containers.set('a', true);
    expect(await pass(5_000)).toBe(2);
    expect(await pass(5_000)).toBe(3);
    looks.away = true;
    expect(await pass(5_000)).toBe(4);
    looks.away = false;
    expect(await pass(5_000)).toBe(5);
    await keeper.stop();
    expect(await pass(60_000)).toBe(5);
  });
});
