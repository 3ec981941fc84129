/**
 * A minute of 1,000 products of 500 × 500, at equal distances: are all done ten seconds after the minute? Once
 * through matrix service A's door, which makes random matrices where they are multiplied, and twice through
 * service B's, with the matrices in JSON bodies: digits, and doubles of 17 to 18 characters.
 */
import { startDray } from './harness/dray.mjs';
import { information, limit, percentile } from './harness/figures.mjs';
import { allEnded, makespan } from './harness/burst.mjs';
import { startLoad } from './harness/load.mjs';

const size = 500;
const doorA = '/matrix-multiplication/submit-job/';
const doorB = '/matrix_multiplication/';
const kinds = [
  { name: 'door A, random matrices', path: doorA, bodies: { text: `{"size": ${size}}` } },
  { name: 'door B, digits', path: doorB, bodies: { size, elements: 'digits', different: 16 } },
  { name: 'door B, doubles', path: doorB, bodies: { size, elements: 'doubles', different: 8 } },
];

export default {
  name: 'burst-500',
  target: '1,000 products of 500² in a minute, all completed and checked after 70 s',
  async run(ctx) {
    const generator = await startLoad(ctx, 'posts');
    const rows = [];
    for (const kind of kinds) rows.push(...(await minute(ctx, generator, kind)));
    return rows;
  },
};

async function minute(ctx, generator, { name, path, bodies }) {
  const count = ctx.quick ? 50 : 1_000;
  const spread = ctx.quick ? 3 : 60;
  // Each kind begins with an empty server, and leaves the disk to the next one.
  const dray = await startDray(ctx);
  try {
    const burst = await generator.run({ url: dray.url + path, bodies, connections: 64, count, spread });
    const jobs = await allEnded(dray, burst.accepted);
    const unchecked = jobs.find(({ result }) => result.check.status !== 'passed');
    if (unchecked) throw new Error(`job ${unchecked.id}: ${JSON.stringify(unchecked.result.check)}`);
    const info = (what, unit, value) => information({ what: `  ${what}`, unit, values: [value] });
    return [
      limit({
        what: `${name}: first submit → last end`,
        unit: 's',
        values: [makespan(burst, jobs)],
        atMost: 70,
      }),
      info('request → 202, p99', 'ms', percentile(burst.latencies, 99)),
      info('the latest request began too late by', 'ms', burst.lateBy),
      info('JSON taken in', 'MB/s', burst.megabytesPerSecond),
      info('peak memory of the API process', 'MB', dray.peakMemory() / 1e6),
    ];
  } finally {
    await dray.stop();
    dray.discard();
  }
}
