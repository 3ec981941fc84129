import { describe, expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Job } from '../engine/engine.js';
import { Projections, type Projection } from './projections.js';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Ends that wait to be delivered, and a target that takes what `take` lets through. */
function harness(ids: readonly string[]) {
  const clock = new ManualClock();
  const waiting = new Set(ids);
  const delivered: string[] = [];
  const warnings: string[] = [];
  let take: Projection = () => Promise.resolve();
  const projections = new Projections({
    clock,
    log: { info: () => undefined, warn: (message) => warnings.push(message) },
    engine: {
      get: ({ id }) => Promise.resolve(id.startsWith('gone') ? undefined : ({ id } as Job)),
      projections: ({ limit }) =>
        Promise.resolve(
          [...waiting].slice(0, limit).map((id) => ({ id, projection: id.split('-')[0]!, mark: id })),
        ),
      projected: ({ marks: done }) => {
        for (const id of done) waiting.delete(id);
        return Promise.resolve();
      },
    },
    projections: new Map([
      [
        'job',
        async (job: Job) => {
          await take(job);
          delivered.push(job.id);
        },
      ],
      ['gone', () => Promise.reject(new Error('there is no job to deliver'))],
    ]),
  });
  onTestFinished(() => projections.stop());
  projections.start();
  return {
    waiting,
    delivered,
    warnings,
    target: (next: Projection) => (take = next),
    passes: async (count: number) => {
      for (let pass = 0; pass < count; pass++) {
        await settled();
        clock.advance(250);
      }
      await settled();
    },
  };
}

const jobs = (count: number) => Array.from({ length: count }, (_, index) => `job-${index}`);

describe('the ends of jobs', () => {
  it('are delivered, and then noted no more', async () => {
    const { waiting, delivered, passes } = harness(jobs(1_000));
    await passes(1);
    expect(delivered).toEqual(jobs(1_000));
    expect(waiting.size).toBe(0);
  });

  it('are delivered again and again while the target is away, and none is given up', async () => {
    const { waiting, delivered, warnings, target, passes } = harness(jobs(3));
    target(() => Promise.reject(new Error('away')));
    await passes(100);
    expect(waiting.size).toBe(3);
    expect(warnings).toEqual(['ends of jobs could not be delivered']);
    target(() => Promise.resolve());
    await passes(1);
    expect(delivered).toEqual(jobs(3));
  });

  it('do not wait for one that cannot be delivered, which is given up in the end', async () => {
    const { waiting, delivered, warnings, target, passes } = harness(['job-bad', ...jobs(300)]);
    target(({ id }) => (id === 'job-bad' ? Promise.reject(new Error('bad')) : Promise.resolve()));
    await passes(2);
    expect(delivered).toEqual(jobs(300));
    expect([...waiting]).toEqual(['job-bad']);
    for (let index = 0; index < 20; index++) {
      waiting.add(`job-later-${index}`);
      await passes(1);
    }
    expect(waiting.size).toBe(0);
    expect(warnings.filter((warning) => warning.includes('given up'))).toHaveLength(1);
  });

  it('are done with where the job was removed', async () => {
    const { waiting, passes } = harness(['gone-1']);
    await passes(1);
    expect(waiting.size).toBe(0);
  });
});
