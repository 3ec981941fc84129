/**
 * How long does a job take from submit to completion past one machine, at 500 a second which arrive at random? As a
 * web service sees it that submits over HTTP and follows the stream of events; BullMQ's own calls are told beside it.
 */
import { startCluster } from './harness/cluster.mjs';
import { alternate, compare, information, limit, percentile } from './harness/figures.mjs';
import { startLoad } from './harness/load.mjs';
import { startBullmq } from './peers/bullmq.mjs';

export default {
  name: 'cluster-latency',
  target: 'submit → completed at 500/s: p50 under 1 ms, p99 under 6 ms',
  async run(ctx) {
    const bullmq = await startBullmq(ctx);
    await bullmq.worker('jobs', { where: 'inline', concurrency: 100 });
    const dray = await startCluster(ctx);
    await dray.startWorker(['--types', 'note']);
    const generator = await startLoad(ctx, 'latency');
    const arrivals = { rate: 500, warmUp: ctx.quick ? 1 : 3, seconds: ctx.quick ? 4 : 15 };
    const run = (side) => (round) => generator.run({ ...side, ...arrivals, seed: round + 1 });
    const { peer, ours } = await alternate(ctx.quick ? 1 : 5, {
      peer: run({ side: 'bullmq', queue: 'jobs', redisPort: bullmq.port }),
      ours: run({ side: 'dray', url: dray.api.url, type: 'note' }),
    });
    const of = (percent) => (one) => percentile(one.latencies, percent);
    const within = (percent, atMost) =>
      limit({ what: `submit → completed, p${percent}`, unit: 'ms', values: ours.map(of(percent)), atMost });
    const both = (what, figure) =>
      compare({ what, unit: 'ms', ours: ours.map(figure), peer: peer.map(figure) });
    return [
      within(50, 1),
      within(99, 6),
      both('the same, p50, peer: BullMQ', of(50)),
      both('the same, p99, peer: BullMQ', of(99)),
      both('submits late by, p99', (one) => percentile(one.late, 99)),
      information({
        what: 'the load generator, of one core',
        unit: '',
        values: ours.map((one) => one.generatorBusy),
      }),
    ];
  },
};
