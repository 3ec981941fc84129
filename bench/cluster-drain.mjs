/**
 * How fast does one worker process work off no-op jobs past one machine? 20,000 inline jobs wait in a paused queue;
 * from its resumption until the last has completed. Then the same jobs, submitted while they are worked off. Against
 * BullMQ's worker process, 100 jobs at a time, and Celery's, which gets fewer jobs as it is that much slower.
 */
import { startCluster } from './harness/cluster.mjs';
import { alternate, compare } from './harness/figures.mjs';
import { completed, drainBullmq, drainDray, inputsOf } from './harness/waiting.mjs';
import { startBullmq } from './peers/bullmq.mjs';
import { startCelery } from './peers/celery.mjs';

/** Jobs of one submit while others are worked off, and submits at a time. */
const together = 100;
const submitters = 8;

export default {
  name: 'cluster-drain',
  target: 'no-op jobs by 1 worker process: 1.5 × BullMQ, 12 × Celery; submitted meanwhile 1.3 × BullMQ',
  async run(ctx) {
    const count = ctx.quick ? 4_000 : 20_000;
    const bullmq = await startBullmq(ctx);
    const queue = await bullmq.queue('notes');
    const worker = await bullmq.worker('notes', { where: 'inline', concurrency: 100 });
    const celery = await startCelery(ctx, { appendfsync: 'always' });
    const dray = await startCluster(ctx);
    await dray.startWorker(['--types', 'note']);
    const sides = {
      bullmq: drainBullmq(queue, worker),
      ours: drainDray(dray, 'note'),
    };
    const celeryDrains = celery.drain();
    for (const drain of Object.values(sides)) await drain(ctx.quick ? 500 : 4_000);
    const runs = await alternate(ctx.quick ? 1 : 7, {
      bullmq: () => sides.bullmq(count),
      ours: () => sides.ours(count),
      celery: () => celeryDrains(count / 10),
    });
    const meanwhile = await alternate(ctx.quick ? 1 : 5, {
      bullmq: () => whileWorking(count, bullmqSide(queue, worker)),
      ours: () => whileWorking(count, draySide(dray)),
    });
    const rate = (all) => all.map((run) => run.jobsPerSecond);
    const against = (what, ours, peer, atLeast) =>
      compare({ what, unit: 'jobs/s', ours: rate(ours), peer: rate(peer), atLeast });
    return [
      against('drained, peer: BullMQ worker', runs.ours, runs.bullmq, 1.5),
      against('drained, peer: Celery', runs.ours, runs.celery, 12),
      against('submitted while working, peer: BullMQ', meanwhile.ours, meanwhile.bullmq, 1.3),
    ];
  },
};

/** From the first submit to the last completion. */
async function whileWorking(jobs, { submit, ended }) {
  const waiting = inputsOf(jobs, together);
  const before = await ended();
  const started = performance.now();
  const submitAll = async () => {
    for (const inputs of waiting) await submit(inputs);
  };
  await Promise.all(Array.from({ length: submitters }, submitAll));
  await ended(before + jobs);
  return { jobsPerSecond: jobs / ((performance.now() - started) / 1000) };
}

const bullmqSide = (queue, worker) => ({
  submit: (inputs) => queue.addBulk(inputs.map((data) => ({ name: 'note', data }))),
  ended: async (until = 0) => (await worker.run({ until })).completed,
});

const draySide = (dray) => ({
  submit: (inputs) => dray.submitBatch(inputs.map((input) => ({ type: 'note', input }))),
  ended: async (until) => {
    if (until !== undefined) return completed(dray, 'note', until);
    return (await dray.jobs('note')).completed ?? 0;
  },
});
