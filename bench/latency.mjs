/**
 * How long does a job take from submit to completion at 500 a second, which arrive at random? As a web service sees
 * it that submits, and follows the queue's stream of events: HTTP and server-sent events here, `queue.add` and
 * QueueEvents there; and with BullMQ behind a service of its own.
 */
import { alternate, compare, information, percentile } from './harness/figures.mjs';
import { startDray } from './harness/dray.mjs';
import { startLoad } from './harness/load.mjs';
import { startBullmq } from './peers/bullmq.mjs';

export default {
  name: 'latency',
  target: 'submit → completed at 500/s: 0.6 × the p50 and 0.5 × the p99 of BullMQ',
  async run(ctx) {
    const bullmq = await startBullmq(ctx);
    await bullmq.worker('jobs', { where: 'inline', concurrency: 100 });
    const url = await bullmq.service('jobs');
    const dray = await startDray(ctx);
    const generator = await startLoad(ctx, 'latency');
    const arrivals = { rate: 500, warmUp: ctx.quick ? 1 : 3, seconds: ctx.quick ? 4 : 15 };
    const peer = { side: 'bullmq', queue: 'jobs', redisPort: bullmq.port };
    const run = (side) => (round) => generator.run({ ...side, ...arrivals, seed: round + 1 });
    const runs = await alternate(ctx.quick ? 1 : 5, {
      bullmq: run(peer),
      ours: run({ side: 'dray', url: dray.url }),
      service: run({ ...peer, url }),
    });
    const against = (side, name) => (what, of, target) =>
      compare({
        what: `${what}, peer: ${name}`,
        unit: 'ms',
        ours: runs.ours.map(of),
        peer: runs[side].map(of),
        ...target,
      });
    const latency = (percent) => (one) => percentile(one.latencies, percent);
    const direct = against('bullmq', 'BullMQ');
    const behind = against('service', 'fastify + BullMQ');
    return [
      direct('submit → completed, p50', latency(50), { atMost: 0.6 }),
      direct('submit → completed, p99', latency(99), { atMost: 0.5 }),
      behind('submit → completed, p50', latency(50)),
      behind('submit → completed, p99', latency(99)),
      direct('submits late by, p99', (one) => percentile(one.late, 99)),
      information({
        what: 'the load generator, of one core',
        unit: '',
        values: runs.ours.map((one) => one.generatorBusy),
      }),
    ];
  },
};
