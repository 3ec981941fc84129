/**
 * What does a product cost that does not fit into memory? 9.6 GB in all within 2 GiB, by row panels through the
 * disk; against a product of 4096² in the same server, before and after it.
 */
import { information, limit, median } from './harness/figures.mjs';
import { randomProduct } from './harness/client.mjs';
import { startDray } from './harness/dray.mjs';

export default {
  name: 'random-20000',
  target: '0.8 × the GFLOP/s of 4096², completes, checked',
  async run(ctx) {
    const n = ctx.quick ? 4000 : 20_000;
    const limitGiB = ctx.quick ? 0.5 : 2;
    const dray = await startDray(ctx, [
      '--min-executors',
      '1',
      '--max-executors',
      '1',
      '--executor-memory',
      `${limitGiB * 1024}m`,
    ]);
    const product = async (size, seed) => dray.product(await dray.submit(randomProduct(size, seed)));
    const small = async (seeds) => {
      const list = [];
      for (const seed of seeds) list.push((await product(ctx.quick ? 1024 : 4096, seed)).result);
      return list;
    };
    await small([1]);
    const before = await small([2, 3, 4]);
    const start = performance.now();
    const large = await product(n, 5);
    const seconds = (performance.now() - start) / 1000;
    const after = await small([6, 7, 8]);

    const kernel = [...before, ...after].map((result) => result.gflops);
    const whole = ({ rows, seconds: { total } }) => (2 * rows ** 3) / total / 1e9;
    const unit = 'GFLOP/s';
    const ratio = (what, ours, peer) => ({
      what,
      unit,
      ours,
      peer,
      ratio: ours / peer,
      target: '≥ 0.8 ×',
      reached: ours / peer >= 0.8,
    });
    return [
      ratio(`inside the kernel, ${n}², peer: 4096²`, large.result.gflops, median(kernel)),
      ratio('the whole attempts', whole(large.result), median([...before, ...after].map((r) => whole(r)))),
      limit({
        what: 'peak memory of the executor',
        unit: 'MB',
        values: [large.peakMemory / 1e6],
        atMost: Math.round((limitGiB * 2 ** 30) / 1e6),
      }),
      information({ what: 'submitted → completed', unit: 's', values: [seconds] }),
      information({ what: 'multiplying', unit: 's', values: [large.result.seconds.multiply] }),
      information({ what: 'checking', unit: 's', values: [large.result.seconds.check] }),
    ];
  },
};
