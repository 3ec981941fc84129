/**
 * How fast are waiting jobs worked off? 20,000 jobs that do nothing wait in a paused queue; from its resumption until
 * the last has completed. Against BullMQ's worker process, 100 jobs at a time, and against its sandboxed processors,
 * which run jobs in child processes as Dray's executors do.
 */
import { alternate, compare } from './harness/figures.mjs';
import { startDray } from './harness/dray.mjs';
import { startBullmq } from './peers/bullmq.mjs';

/** What Dray takes at once. */
const batch = 1_000;
/** Jobs at a time: on two cores as good as 2, 8 and 16. */
const sandboxes = 4;

export default {
  name: 'drain',
  target: '20,000 waiting no-op jobs through executors: 4 × the jobs/s of a BullMQ worker',
  async run(ctx) {
    const count = ctx.quick ? 4_000 : 20_000;
    const bullmq = await startBullmq(ctx);
    const dray = await startDray(ctx);
    const drainBullmq = async (where, concurrency) => {
      const queue = await bullmq.queue(where);
      const worker = await bullmq.worker(where, { where, concurrency });
      let before = 0;
      return async (jobs) => {
        await queue.pause();
        for (const inputs of batches(jobs)) {
          await queue.addBulk(inputs.map((data) => ({ name: 'echo', data })));
        }
        const started = performance.now();
        await queue.resume();
        const { completed } = await worker.run({ until: before + jobs });
        const seconds = (performance.now() - started) / 1000;
        if (completed !== before + jobs) throw new Error(`${completed - before} of ${jobs} jobs completed`);
        before = completed;
        return { jobsPerSecond: jobs / seconds };
      };
    };
    const sides = {
      inline: await drainBullmq('inline', 100),
      ours: drainDray(dray),
      sandboxed: await drainBullmq('sandboxed', sandboxes),
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

function drainDray(dray) {
  return async (jobs) => {
    await dray.pause('echo');
    const had = await dray.jobs('echo');
    let last;
    for (const inputs of batches(jobs)) {
      last = (await dray.submitBatch(inputs.map((input) => ({ type: 'echo', input })))).at(-1);
    }
    const started = performance.now();
    await dray.resume('echo');
    // Jobs are handed out in their order, so hardly anything is left to be asked about after the last of them.
    await dray.ended(last);
    for (;;) {
      const { completed, failed } = await dray.jobs('echo');
      if (failed > 0) throw new Error(`${failed} jobs failed`);
      if (completed === (had.completed ?? 0) + jobs) break;
    }
    return { jobsPerSecond: jobs / ((performance.now() - started) / 1000) };
  };
}

function* batches(jobs) {
  for (let at = 0; at < jobs; at += batch) {
    const size = Math.min(batch, jobs - at);
    yield Array.from({ length: size }, (_, i) => ({ to: 'someone@example.org', order: at + i }));
  }
}
