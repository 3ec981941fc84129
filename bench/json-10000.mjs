/** Do two matrices of small integers in one JSON body of 400 MB, made while it is sent, stay out of memory? */
import { digitsAsJson } from './harness/matrices.mjs';
import { information, limit } from './harness/figures.mjs';
import { startDray } from './harness/dray.mjs';

export default {
  name: 'json-10000',
  target: 'completes, checked; API under 350 MB',
  async run(ctx) {
    const n = ctx.quick ? 2000 : 10_000;
    const dray = await startDray(ctx, ['--executor-memory', '3g']);
    const start = performance.now();
    const id = await dray.submit(bodyChunks(n));
    const accepted = performance.now();
    const { result, peakMemory } = await dray.product(id);
    const end = performance.now();
    const megabytes = (n * n * 4) / 1e6;
    return [
      limit({
        what: 'peak memory of the API process',
        unit: 'MB',
        values: [dray.peakMemory() / 1e6],
        atMost: 350,
      }),
      information({ what: 'peak memory of the executor', unit: 'MB', values: [peakMemory / 1e6] }),
      information({
        what: 'body in, made meanwhile',
        unit: 'MB/s',
        values: [megabytes / ((accepted - start) / 1000)],
      }),
      information({ what: 'the job', unit: 's', values: [(end - accepted) / 1000] }),
      information({ what: 'the product itself', unit: 'GFLOP/s', values: [result.gflops] }),
    ];
  },
};

function* bodyChunks(n) {
  yield Buffer.from('{"type":"matmul","input":{"a":');
  yield* digitsAsJson({ rows: n, cols: n, seed: 1 });
  yield Buffer.from(',"b":');
  yield* digitsAsJson({ rows: n, cols: n, seed: 2 });
  yield Buffer.from('}}');
}
