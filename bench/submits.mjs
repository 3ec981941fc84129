/**
 * How many small jobs a second are durable before their 202, one a request on 64 connections? Against fastify with
 * BullMQ on a Redis that syncs each write. Nobody works meanwhile: the type is paused here, there is no worker there.
 */
import { alternate, compare, information } from './harness/figures.mjs';
import { startDray } from './harness/dray.mjs';
import { scoped } from './harness/scoped.mjs';
import { submitLoad } from './harness/submit-load.mjs';
import { startBullmq } from './peers/bullmq.mjs';

export default {
  name: 'submits',
  target: '1.7 × the durable submits/s of fastify + BullMQ at a fifth of its p99',
  async run(ctx) {
    const [warmUp, seconds] = ctx.quick ? [1, 2] : [3, 6];
    // Each round has stores of its own, so that none pays for what the rounds before have left.
    const { peer, ours } = await alternate(ctx.quick ? 1 : 7, {
      peer: () =>
        scoped(ctx, 'round', async (round) => {
          const bullmq = await startBullmq(round);
          const queue = await bullmq.queue('jobs');
          const url = await bullmq.service('jobs');
          return submitLoad({
            url,
            warmUp,
            seconds,
            stored: async () => (await queue.getJobCounts()).waiting,
          });
        }),
      ours: () =>
        scoped(ctx, 'round', async (round) => {
          const dray = await startDray(round, ['--max-waiting', '10000000']);
          await dray.pause('echo');
          const stored = async () => (await dray.jobs('echo')).pending;
          return submitLoad({ url: `${dray.url}/v1/jobs`, warmUp, seconds, stored });
        }),
    });
    const both = (what, unit, of, target = {}) =>
      compare({ what, unit, ours: ours.map(of), peer: peer.map(of), ...target });
    return [
      both('durable submits, peer: fastify + BullMQ', 'requests/s', (run) => run.requestsPerSecond, {
        atLeast: 1.7,
      }),
      both('request → 202, p50', 'ms', (run) => run.p50),
      both('request → 202, p99', 'ms', (run) => run.p99, { atMost: 0.2 }),
      both('request → 202, slowest', 'ms', (run) => run.max),
      information({
        what: 'the load generator, of one core',
        unit: '',
        values: ours.map((run) => run.generatorBusy),
      }),
    ];
  },
};
