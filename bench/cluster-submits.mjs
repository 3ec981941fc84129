/**
 * How many small jobs a second are durable before their 202 past one machine, one a request on 64 connections?
 * Against fastify with BullMQ on a Redis that syncs each write, and FastAPI with Celery on RabbitMQ. Nobody works
 * meanwhile.
 */
import { startCluster } from './harness/cluster.mjs';
import { alternate, compare, information } from './harness/figures.mjs';
import { scoped } from './harness/scoped.mjs';
import { submitLoad } from './harness/submit-load.mjs';
import { startBullmq } from './peers/bullmq.mjs';
import { startCelery } from './peers/celery.mjs';

export default {
  name: 'cluster-submits',
  target: '0.7 × the durable submits/s of fastify + BullMQ, 12 × those of FastAPI + Celery',
  async run(ctx) {
    const [warmUp, seconds] = ctx.quick ? [1, 2] : [3, 6];
    const load = (options) => submitLoad({ ...options, warmUp, seconds });
    // Each round has stores of its own, so that none pays for what the rounds before have left.
    const inRound = (step) => () => scoped(ctx, 'round', step);
    const { bullmq, ours, celery } = await alternate(ctx.quick ? 1 : 5, {
      bullmq: inRound(async (round) => {
        const peer = await startBullmq(round);
        const queue = await peer.queue('jobs');
        const url = await peer.service('jobs');
        return load({ url, stored: async () => (await queue.getJobCounts()).waiting });
      }),
      ours: inRound(async (round) => {
        const dray = await startCluster(round, { apiOptions: ['--max-waiting', '10000000'] });
        const stored = async () => (await dray.jobs('echo')).pending;
        return load({ url: `${dray.api.url}/v1/jobs`, stored });
      }),
      celery: inRound(async (round) => {
        const peer = await startCelery(round, { worker: false, appendfsync: 'always' });
        return load({ url: `${peer.url}/jobs`, stored: () => peer.waiting() });
      }),
    });
    const against = (peer, what, unit, of, target = {}) =>
      compare({ what, unit, ours: ours.map(of), peer: peer.map(of), ...target });
    const rate = (run) => run.requestsPerSecond;
    return [
      against(bullmq, 'durable submits, peer: fastify + BullMQ', 'requests/s', rate, { atLeast: 0.7 }),
      against(celery, 'durable submits, peer: FastAPI + Celery', 'requests/s', rate, { atLeast: 12 }),
      against(bullmq, 'request → 202, p50, peer: BullMQ', 'ms', (run) => run.p50),
      against(bullmq, 'request → 202, p99, peer: BullMQ', 'ms', (run) => run.p99),
      against(celery, 'request → 202, p99, peer: Celery', 'ms', (run) => run.p99),
      information({
        what: 'the load generator, of one core',
        unit: '',
        values: ours.map((run) => run.generatorBusy),
      }),
    ];
  },
};
