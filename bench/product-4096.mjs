/**
 * How fast is the product itself, inside of the task? The ceiling is what fused multiply-adds reach on all cores
 * in the same minute; numpy is what a team has by default. Matrices are random, so that nothing travels.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alternate, compare, information, median } from './harness/figures.mjs';
import { fmaPeak } from './harness/machine.mjs';
import { randomProduct } from './harness/client.mjs';
import { startDray } from './harness/dray.mjs';
import { startAnswerer } from './harness/process.mjs';

export default {
  name: 'product-4096',
  target: '75 % of the FMA peak, or 1.5 × numpy.dot, whichever is lower',
  async run(ctx) {
    const n = ctx.quick ? 1024 : 4096;
    const measurePeak = fmaPeak(ctx.scratch);
    const numpy = startAnswerer({
      name: 'numpy.dot',
      command: ctx.python(),
      args: [fileURLToPath(new URL('./peers/numpy_dot.py', import.meta.url)), String(n)],
      log: join(ctx.scratch, 'numpy.log'),
    });
    ctx.defer(() => numpy.stop());
    const dray = await startDray(ctx, ['--min-executors', '1', '--max-executors', '1']);
    const product = async (seed) => (await dray.product(await dray.submit(randomProduct(n, seed)))).result;
    const first = await product(1);
    ctx.log(`kernel: ${first.kernel}`);

    const figures = await alternate(ctx.quick ? 2 : 7, {
      peak: () => measurePeak(0.5).gflops,
      ours: (round) => product(round + 2),
      numpy: async () => (await numpy.ask('run')).gflops,
    });
    const ours = figures.ours.map((result) => result.gflops);
    const checked = figures.ours.map(
      ({ seconds }) => (2 * n ** 3) / (seconds.multiply + seconds.check) / 1e9,
    );
    const whole = figures.ours.map(({ seconds }) => (2 * n ** 3) / seconds.total / 1e9);
    const peakWins = median(figures.peak) * 0.75 <= median(figures.numpy) * 1.5;
    const unit = 'GFLOP/s';
    const against = (peer, what, target = {}) => compare({ what, unit, ours, peer, ...target });
    return [
      against(figures.peak, `product of ${n}², peer: FMA peak`, peakWins ? { atLeast: 0.75 } : {}),
      against(figures.numpy, `product of ${n}², peer: numpy.dot`, peakWins ? {} : { atLeast: 1.5 }),
      information({ what: 'the product and its check', unit, values: checked }),
      information({
        what: 'the whole attempt: inputs made, product, check, result stored',
        unit,
        values: whole,
      }),
    ];
  },
};
