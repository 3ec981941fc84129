/**
 * Does the server grow with the jobs that have passed through it? Its resident memory after 1,000,000 jobs and after
 * 100,000, both at rest. Jobs are submitted in batches, as long as few enough wait.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { compare, information, median } from './harness/figures.mjs';
import { startDray } from './harness/dray.mjs';
import { residentMemory } from './harness/process.mjs';

const batch = 1_000;
const mostWaiting = 10_000;

export default {
  name: 'rss',
  target: 'RSS of the server after 1,000,000 jobs: 1.1 × of that after 100,000',
  async run(ctx) {
    const [few, many] = ctx.quick ? [10_000, 100_000] : [100_000, 1_000_000];
    const settle = ctx.quick ? 2 : 15;
    const dray = await startDray(ctx);
    const started = residentMemory(dray.pid);
    const after = async (jobs) => {
      await pass(ctx, dray, jobs);
      return atRest(dray.pid, settle);
    };
    const first = await after(few);
    const last = await after(many);
    return [
      compare({
        what: `RSS after ${many} jobs, peer: after ${few}`,
        unit: 'MB',
        ours: [last / 1e6],
        peer: [first / 1e6],
        atMost: 1.1,
      }),
      information({ what: 'RSS at the start', unit: 'MB', values: [started / 1e6] }),
      information({ what: 'the largest that it has been', unit: 'MB', values: [dray.peakMemory() / 1e6] }),
    ];
  },
};

/** Until so many jobs in all have completed. */
async function pass(ctx, dray, jobs) {
  const input = { to: 'someone@example.org', order: 12_345 };
  const submissions = Array.from({ length: batch }, () => ({ type: 'echo', input }));
  let told = 0;
  for (;;) {
    const { completed = 0, pending = 0, failed = 0, 'in-progress': running = 0 } = await dray.jobs('echo');
    if (failed > 0) throw new Error(`${failed} jobs failed`);
    if (completed >= jobs) return;
    if (completed - told >= jobs / 10) ctx.log(`${(told = completed)} of ${jobs} jobs`);
    if (completed + pending + running < jobs && pending < mostWaiting) await dray.submitBatch(submissions);
    else await delay(20);
  }
}

/** The median of ten looks within so many seconds: a collection of garbage may begin at any time. */
async function atRest(pid, seconds) {
  await delay(seconds * 1000);
  const looks = [];
  for (let i = 0; i < 10; i++) {
    looks.push(residentMemory(pid));
    await delay(seconds * 100);
  }
  return median(looks);
}
