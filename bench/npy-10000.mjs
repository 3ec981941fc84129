/** Do two matrices of 800 MB each go the whole way in bounded memory? Uploaded as .npy, multiplied, checked. */
import { join } from 'node:path';
import { information, limit } from './harness/figures.mjs';
import { npy, writeFileOf } from './harness/matrices.mjs';
import { startDray } from './harness/dray.mjs';

const defaultExecutorMemory = 3 * 2 ** 30;

export default {
  name: 'npy-10000',
  target: "completes, checked; executor's peak under its limit, API under 350 MB",
  async run(ctx) {
    const n = ctx.quick ? 2000 : 10_000;
    const files = ['a', 'b'].map((name) => join(ctx.scratch, `${name}.npy`));
    for (const [seed, file] of files.entries())
      await writeFileOf(file, npy({ rows: n, cols: n, seed: seed + 1 }));
    const dray = await startDray(ctx, ['--executor-memory', '3g']);

    const start = performance.now();
    const a = await dray.upload(files[0]);
    const b = await dray.upload(files[1]);
    const uploaded = performance.now();
    const id = await dray.submit({ type: 'matmul', input: { a: { blob: a }, b: { blob: b } } });
    const { result, peakMemory } = await dray.product(id);
    const computed = performance.now();
    await dray.download(id, join(ctx.scratch, 'c.npy'));
    const end = performance.now();

    const seconds = (what, ms) => information({ what, unit: 's', values: [ms / 1000] });
    return [
      limit({
        what: 'peak memory of the executor',
        unit: 'MB',
        values: [peakMemory / 1e6],
        atMost: Math.round(defaultExecutorMemory / 1e6),
      }),
      limit({
        what: 'peak memory of the API process',
        unit: 'MB',
        values: [dray.peakMemory() / 1e6],
        atMost: 350,
      }),
      seconds('both files up', uploaded - start),
      seconds('the job', computed - uploaded),
      seconds('the product down', end - computed),
      information({ what: 'the product itself', unit: 'GFLOP/s', values: [result.gflops] }),
    ];
  },
};
