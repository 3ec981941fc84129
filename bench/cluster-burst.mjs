/**
 * A burst of 1,000 jobs of one second, submitted at once through matrix service A's door and run by two workers with
 * four slots each: how near does the whole come to 1,000 / 8 seconds? The work is simulated, so that eight slots do
 * not need eight cores.
 */
import { allEnded, makespan } from './harness/burst.mjs';
import { startCluster } from './harness/cluster.mjs';
import { information, limit } from './harness/figures.mjs';
import { startLoad } from './harness/load.mjs';

const workers = 2;
const slots = 4;
const jobSeconds = 1;

export default {
  name: 'cluster-burst',
  target: '1,000 jobs of a second on 2 workers × 4 slots in at most 1.1 × 125 s',
  async run(ctx) {
    const count = ctx.quick ? 100 : 1_000;
    const dray = await startCluster(ctx);
    const options = ['--types', 'matmul', '--slots-per-worker', String(slots)];
    const simulated = { SIMULATE_WORKLOAD_DURATION_IN_SEC: String(jobSeconds) };
    await Promise.all(Array.from({ length: workers }, () => dray.startWorker(options, simulated)));
    const generator = await startLoad(ctx, 'posts');
    const burst = await generator.run({
      url: `${dray.api.url}/matrix-multiplication/submit-job/`,
      bodies: { text: '{"size": 64}' },
      connections: 16,
      count,
      spread: 0,
    });
    const jobs = await allEnded(dray, burst.accepted);
    const real = jobs.find((job) => job.result?.simulated !== true);
    if (real) throw new Error(`job ${real.id} was not simulated: ${JSON.stringify(real.result)}`);
    const took = makespan(burst, jobs);
    const ideal = (count * jobSeconds) / (workers * slots);
    const shares = new Map();
    for (const { attempts } of jobs) {
      const { worker } = attempts.at(-1);
      shares.set(worker, (shares.get(worker) ?? 0) + 1);
    }
    return [
      limit({
        what: 'first submit → last end, over the ideal',
        unit: '×',
        values: [took / ideal],
        atMost: 1.1,
      }),
      information({ what: 'first submit → last end', unit: 's', values: [took] }),
      information({ what: 'all submitted within', unit: 's', values: [burst.seconds] }),
      information({
        what: 'jobs of the worker that ran most',
        unit: 'jobs',
        values: [Math.max(...shares.values())],
      }),
    ];
  },
};
