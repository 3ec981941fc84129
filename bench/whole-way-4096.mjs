/**
 * What does the way cost besides the computing? Two .npy files up, the job, the product down into a file, less
 * the seconds of multiplying and checking; against copying the three files and syncing each to the disk.
 */
import { closeSync, fsyncSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { alternate, compare, information } from './harness/figures.mjs';
import { npy, writeFileOf } from './harness/matrices.mjs';
import { startDray } from './harness/dray.mjs';

export default {
  name: 'whole-way-4096',
  target: 'at most 2 × the time to copy and sync the same bytes',
  async run(ctx) {
    const n = ctx.quick ? 1024 : 4096;
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(ctx.scratch, `${name}.npy`));
    await writeFileOf(a, npy({ rows: n, cols: n, seed: 1 }));
    await writeFileOf(b, npy({ rows: n, cols: n, seed: 2 }));
    const dray = await startDray(ctx, ['--min-executors', '1', '--max-executors', '1']);

    const ourWay = async () => {
      const start = performance.now();
      const blobs = [await dray.upload(a), await dray.upload(b)];
      const uploaded = performance.now();
      const id = await dray.submit({
        type: 'matmul',
        input: { a: { blob: blobs[0] }, b: { blob: blobs[1] } },
      });
      const { result } = await dray.product(id);
      const computed = performance.now();
      await dray.download(id, c);
      const end = performance.now();
      const compute = result.seconds.multiply + result.seconds.check;
      return {
        all: (end - start) / 1000 - compute,
        up: (uploaded - start) / 1000,
        job: (computed - uploaded) / 1000 - compute,
        down: (end - computed) / 1000,
        compute,
      };
    };
    await ourWay(); // the executor's start and the library's loading belong to no job
    if (statSync(c).size !== statSync(a).size) throw new Error('the product has the wrong size');

    const { peer, ours } = await alternate(ctx.quick ? 2 : 7, {
      peer: () => {
        const start = performance.now();
        const copies = [a, b, c].map((path) => copyAndSync(path));
        const seconds = (performance.now() - start) / 1000;
        for (const copy of copies) rmSync(copy);
        return seconds;
      },
      ours: ourWay,
    });
    const part = (what, key) => information({ what, unit: 's', values: ours.map((figures) => figures[key]) });
    return [
      compare({
        what: 'the way without the computing, peer: copy and sync',
        unit: 's',
        ours: ours.map((figures) => figures.all),
        peer,
        atMost: 2,
      }),
      part('of it: both files up', 'up'),
      part('of it: the job without its computing', 'job'),
      part('of it: the product down', 'down'),
      part('computing: product and check', 'compute'),
    ];
  },
};

function copyAndSync(path) {
  const to = `${path}.copy`;
  const [source, target] = [openSync(path, 'r'), openSync(to, 'w')];
  const buffer = Buffer.alloc(1024 * 1024);
  for (;;) {
    const read = readSync(source, buffer);
    if (read === 0) break;
    writeSync(target, buffer, 0, read);
  }
  fsyncSync(target);
  closeSync(source);
  closeSync(target);
  return to;
}
