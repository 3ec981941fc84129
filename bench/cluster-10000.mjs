/**
 * Do two matrices of 800 MB each go the whole way past one machine? Up through the API into S3 as .npy, multiplied
 * and checked by one of two workers that share nothing with the API but the servers, and down again.
 */
import { join } from 'node:path';
import { startCluster } from './harness/cluster.mjs';
import { information, limit } from './harness/figures.mjs';
import { npy, writeFileOf } from './harness/matrices.mjs';

const executorMemory = 3 * 2 ** 30;

export default {
  name: 'cluster-10000',
  target: "completes, checked; executor's peak under its limit, API under 350 MB",
  async run(ctx) {
    const n = ctx.quick ? 2_000 : 10_000;
    const files = ['a', 'b'].map((name) => join(ctx.scratch, `${name}.npy`));
    for (const [seed, file] of files.entries())
      await writeFileOf(file, npy({ rows: n, cols: n, seed: seed + 1 }));
    const dray = await startCluster(ctx, { s3: true });
    const options = ['--types', 'matmul', '--slots-per-worker', '1', '--executor-memory', '3g'];
    const workers = await Promise.all([dray.startWorker(options), dray.startWorker(options)]);

    const start = performance.now();
    const a = await dray.upload(files[0]);
    const b = await dray.upload(files[1]);
    const uploaded = performance.now();
    const id = await dray.submit({ type: 'matmul', input: { a: { blob: a }, b: { blob: b } } });
    const { result, peakMemory } = await dray.product(id);
    const computed = performance.now();
    await dray.download(id, join(ctx.scratch, 'c.npy'));
    const end = performance.now();

    const megabytes = (what, bytes, atMost) =>
      limit({ what, unit: 'MB', values: bytes.map((each) => each / 1e6), atMost });
    const seconds = (what, ms) => information({ what, unit: 's', values: [ms / 1000] });
    return [
      megabytes('peak memory of the executor', [peakMemory], Math.round(executorMemory / 1e6)),
      megabytes('peak memory of the API process', [dray.api.peakMemory()], 350),
      megabytes(
        'peak memory of a worker process',
        workers.map((worker) => worker.peakMemory()),
        350,
      ),
      seconds('both files up', uploaded - start),
      seconds('the job', computed - uploaded),
      seconds('the product down', end - computed),
      information({ what: 'the product itself', unit: 'GFLOP/s', values: [result.gflops] }),
    ];
  },
};
