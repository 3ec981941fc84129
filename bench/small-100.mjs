/**
 * How many small products a second, submitted → completed? 100² doubles as JSON from 16 connections, against
 * FastAPI + Celery + numpy with RabbitMQ and Redis. Both sides run all the time and are loaded in turn.
 */
import { alternate, compare, information, percentile } from './harness/figures.mjs';
import { startCelery } from './peers/celery.mjs';
import { startDray } from './harness/dray.mjs';
import { startLoad } from './harness/load.mjs';

export default {
  name: 'small-100',
  target: '10 × the jobs/s of FastAPI + Celery + numpy',
  async run(ctx) {
    const celery = await startCelery(ctx);
    const dray = await startDray(ctx);
    const generator = await startLoad(ctx, 'jobs');
    const load = {
      size: 100,
      bodies: 240,
      connections: 16,
      warmUp: ctx.quick ? 1 : 3,
      seconds: ctx.quick ? 3 : 12,
    };
    const { peer, ours } = await alternate(ctx.quick ? 1 : 5, {
      peer: () => generator.run({ ...load, side: 'celery', url: celery.url }),
      ours: () => generator.run({ ...load, side: 'dray', url: dray.url }),
    });
    const each = (runs, of) => runs.map(of);
    const latency = (percent) => (run) => percentile(run.latencies, percent);
    const both = (what, unit, of, target = {}) =>
      compare({ what, unit, ours: each(ours, of), peer: each(peer, of), ...target });
    const mega = (run) => run.megabytesPerSecond;
    const busy = (run) => run.generatorBusy;
    return [
      both('products of 100², peer: FastAPI + Celery + numpy', 'jobs/s', (run) => run.jobsPerSecond, {
        atLeast: 10,
      }),
      both('submitted → completed, p50', 'ms', latency(50)),
      both('submitted → completed, p99', 'ms', latency(99)),
      both('JSON taken in', 'MB/s', mega),
      both('the load generator, of one core', '', busy),
      information({ what: 'peak memory of the API process', unit: 'MB', values: [dray.peakMemory() / 1e6] }),
    ];
  },
};
