/**
 * A burst of 1,000 jobs of one second, submitted at once through matrix service A's door and run by eight
 * executors, of which there is one at first: how near does the whole come to 1,000 / 8 seconds? The work is
 * simulated, so that eight slots do not need eight cores.
 */
import { startDray } from './harness/dray.mjs';
import { information, limit } from './harness/figures.mjs';
import { startLoad } from './harness/load.mjs';
import { allEnded, makespan } from './harness/burst.mjs';

const slots = 8;
const jobSeconds = 1;

export default {
  name: 'burst-1000',
  target: '1,000 jobs of a second on 8 slots in at most 1.1 × 125 s',
  async run(ctx) {
    const count = ctx.quick ? 100 : 1_000;
    const dray = await startDray(ctx, ['--max-executors', String(slots)], {
      SIMULATE_WORKLOAD_DURATION_IN_SEC: String(jobSeconds),
    });
    const generator = await startLoad(ctx, 'posts');
    const burst = await generator.run({
      url: `${dray.url}/matrix-multiplication/submit-job/`,
      bodies: { text: '{"size": 64}' },
      connections: 16,
      count,
      spread: 0,
    });
    const jobs = await allEnded(dray, burst.accepted);
    const simulated = jobs.filter((job) => job.result?.simulated === true);
    if (simulated.length < count) throw new Error(`only ${simulated.length} of ${count} jobs were simulated`);
    const took = makespan(burst, jobs);
    const ideal = (count * jobSeconds) / slots;
    return [
      limit({
        what: 'first submit → last end, over the ideal',
        unit: '×',
        values: [took / ideal],
        atMost: 1.1,
      }),
      information({ what: 'first submit → last end', unit: 's', values: [took] }),
      limit({ what: 'all submitted within', unit: 's', values: [burst.seconds], atMost: 1 }),
    ];
  },
};
