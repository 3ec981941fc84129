/**
 * How fast are waiting jobs worked off? 20,000 jobs that do nothing wait in a paused queue; from its resumption until
 * the last has completed. Against BullMQ's worker process, 100 jobs at a time, and against its sandboxed processors,
 * which run jobs in child processes as Dray's executors do.
 */
import { alternate, compare } from './harness/figures.mjs';
import { startDray } from './harness/dray.mjs';
import { drainBullmq, drainDray } from './harness/waiting.mjs';
import { startBullmq } from './peers/bullmq.mjs';

/** Jobs at a time: on two cores as good as 2, 8 and 16. */
const sandboxes = 4;

export default {
  name: 'drain',
  target: '20,000 waiting no-op jobs through executors: 4 × the jobs/s of a BullMQ worker',
  async run(ctx) {
    const count = ctx.quick ? 4_000 : 20_000;
    const bullmq = await startBullmq(ctx);
    const dray = await startDray(ctx);
    const drained = async (where, concurrency) =>
      drainBullmq(await bullmq.queue(where), await bullmq.worker(where, { where, concurrency }));
    const sides = {
      inline: await drained('inline', 100),
      ours: drainDray(dray, 'echo'),
      sandboxed: await drained('sandboxed', sandboxes),
    };
    for (const drain of Object.values(sides)) await drain(ctx.quick ? 500 : 2_000);
    const { inline, ours, sandboxed } = await alternate(
      ctx.quick ? 1 : 7,
      Object.fromEntries(Object.entries(sides).map(([name, drain]) => [name, () => drain(count)])),
    );
    const rate = (runs) => runs.map((run) => run.jobsPerSecond);
    const against = (what, peer, target = {}) =>
      compare({ what, unit: 'jobs/s', ours: rate(ours), peer: rate(peer), ...target });
    return [
      against('drained, peer: BullMQ worker', inline, { atLeast: 4 }),
      against('drained, peer: BullMQ, sandboxed', sandboxed),
    ];
  },
};
