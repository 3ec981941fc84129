import { describe, expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Job } from '../engine/engine.js';
import { PermanentError } from '../tasks/task.js';
import { Projections, type Projection } from './projections.js';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Ends that wait to be delivered, named like `job-1` by their projection, and targets that take what `take` lets through. */
function harness(ids: readonly string[]) {
  const clock = new ManualClock();
  const endedAt = clock.now();
  const waiting = new Map(ids.map((id) => [id, endedAt]));
  const delivered: string[] = [];
  const tried: string[] = [];
  const warnings: string[] = [];
  const infos: string[] = [];
  let take: Projection = () => Promise.resolve();
  const project: Projection = async (job, rest) => {
    tried.push(job.id);
    await take(job, rest);
    delivered.push(job.id);
  };
  const projections = new Projections({
    clock,
    log: { info: (message) => infos.push(message), warn: (message) => warnings.push(message) },
    engine: {
      get: ({ id }) => {
        const status = id.includes('redriven') ? 'pending' : 'completed';
        return Promise.resolve(
          id.includes('gone') ? undefined : ({ id, status, finishedAt: endedAt } as Job),
        );
      },
      projections: ({ limit }) =>
        Promise.resolve(
          [...waiting]
            .filter(([, at]) => at <= clock.now())
            .slice(0, limit)
            .map(([id]) => ({ id, projection: `${id.split('-')[0]!}:of ${id}`, mark: id })),
        ),
      projected: ({ ends }) => {
        for (const { mark, againInMs } of ends) {
          if (againInMs === undefined) waiting.delete(mark);
          else waiting.set(mark, clock.now() + againInMs);
        }
        return Promise.resolve();
      },
    },
    projections: new Map([
      ['job', project],
      ['other', project],
    ]),
  });
  onTestFinished(() => projections.stop());
  projections.start();
  return {
    clock,
    waiting,
    delivered,
    tried,
    warnings,
    infos,
    target: (next: Projection) => (take = next),
    stop: () => projections.stop(),
    passes: async (count: number) => {
      for (let pass = 0; pass < count; pass++) {
        await settled();
        clock.advance(250);
      }
      await settled();
    },
  };
}

const jobs = (count: number, name = 'job') => Array.from({ length: count }, (_, index) => `${name}-${index}`);
const seconds = 4; // passes

describe('the ends of jobs', () => {
  it('are delivered, and then noted no more', async () => {
    const { waiting, delivered, passes } = harness(jobs(1_000));
    await passes(1);
    expect(delivered).toEqual(jobs(1_000));
    expect(waiting.size).toBe(0);
  });

  it('are delivered a few at a time, and begun no more once their deliverer is to stop', async () => {
    const { tried, target, passes, stop } = harness(jobs(300));
    const open: (() => void)[] = [];
    target(() => new Promise((resolve) => open.push(resolve)));
    await passes(1);
    expect(tried).toHaveLength(8);
    open[0]!();
    await settled();
    expect(tried).toHaveLength(9);
    const stopped = stop();
    for (const end of open) end();
    await stopped;
    expect(tried).toHaveLength(9);
  });

  it('come with what their projection says behind its name', async () => {
    const { target, passes } = harness(['job-1']);
    const rests: string[] = [];
    target((_, rest) => Promise.resolve(void rests.push(rest)));
    await passes(1);
    expect(rests).toEqual(['of job-1']);
  });

  it('rest while their target is away, none is given up, and others go on', async () => {
    const { waiting, delivered, tried, warnings, infos, target, passes } = harness([
      ...jobs(600),
      ...jobs(10, 'other'),
    ]);
    target(({ id }) => (id.startsWith('job') ? Promise.reject(new Error('away')) : Promise.resolve()));
    await passes(14 * seconds);
    expect(delivered).toEqual(jobs(10, 'other'));
    expect(tried.length).toBeLessThan(300); // one batch, and no more until they have rested
    expect(waiting.size).toBe(600);
    expect(warnings).toEqual(['ends of jobs could not be delivered, and are tried again']);
    target(() => Promise.resolve());
    await passes(2 * seconds);
    expect(waiting.size).toBe(0);
    expect(infos).toEqual(['ends of jobs are delivered again']);
  });

  it('are not begun one after the other where their target hangs', async () => {
    const { clock, tried, target, passes, stop } = harness(jobs(200));
    target(() => clock.sleep(5_000).then(() => Promise.reject(new Error('hangs'))));
    await passes(28 * seconds);
    expect(tried).toHaveLength(24); // for 15 s; then they rest
    const stopped = stop();
    clock.advance(5_000);
    await stopped;
  });

  it('do not wait for some that cannot be delivered, which are tried again later and later', async () => {
    const bad = jobs(8, 'job-bad');
    const { waiting, delivered, tried, target, passes } = harness([...bad, ...jobs(300)]);
    target(({ id }) => (id.includes('bad') ? Promise.reject(new Error('bad')) : Promise.resolve()));
    await passes(2);
    expect(delivered).toEqual(jobs(300));
    await passes(600 * seconds);
    expect([...waiting.keys()].toSorted()).toEqual(bad);
    const tries = tried.filter((id) => id === bad[0]).length;
    expect(tries).toBeGreaterThan(10);
    expect(tries).toBeLessThan(20);
    target(() => Promise.resolve());
    await passes(61 * seconds);
    expect(waiting.size).toBe(0);
  });

  it('go on past any number that nobody here delivers', async () => {
    const { waiting, delivered, warnings, passes } = harness([...jobs(1_000, 'unknown'), ...jobs(5)]);
    await passes(2);
    expect(delivered).toEqual(jobs(5));
    expect(waiting.size).toBe(1_000); // another version may know them
    expect(warnings).toEqual(['nothing here delivers such ends of jobs']);
  });

  it('are given up where their target says that it never will take them', async () => {
    const { waiting, delivered, warnings, target, passes } = harness(jobs(2));
    target(({ id }) =>
      id === 'job-0' ? Promise.reject(new PermanentError('no such place')) : Promise.resolve(),
    );
    await passes(1);
    expect(delivered).toEqual(['job-1']);
    expect(waiting.size).toBe(0);
    expect(warnings).toEqual(['the end of a job cannot be delivered']);
  });

  it.each(['job-gone', 'job-redriven'])('are done with where the job is there no more: %s', async (id) => {
    const { waiting, tried, passes } = harness([id]);
    await passes(1);
    expect(waiting.size).toBe(0);
    expect(tried).toEqual([]);
  });
});
