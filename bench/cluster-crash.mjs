/**
 * A worker process is killed with -9 in mid-job: how long until another one has begun to run the job? And one that is
 * stopped with SIGSTOP, whose connections stay: there only the lease tells. The job itself writes down when it begins.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startCluster } from './harness/cluster.mjs';
import { limit, percentile } from './harness/figures.mjs';

/** Far longer than a lease, in ms. */
const patience = 60_000;
/** How long a lease lasts, and what may come on top of it, in ms. */
const lease = 10_000;
const grace = 2_000;

export default {
  name: 'cluster-crash',
  target: 'kill -9 of a worker until the re-run begins: median 100 ms, maximum 500 ms; SIGSTOP: lease + 2 s',
  async run(ctx) {
    const [kills, freezes] = ctx.quick ? [2, 1] : [20, 3];
    const dray = await startCluster(ctx);
    const start = () => dray.startWorker(['--types', 'mark', '--slots-per-worker', '1']);
    const workers = new Set(await Promise.all([start(), start()]));

    /** Gives for how many ms the job was nowhere. `harm` is done to the worker that has it. */
    async function rerun(name, harm) {
      const file = join(ctx.scratch, name);
      const id = await dray.submit({ type: 'mark', input: { file, seconds: 120 } });
      await beginnings(file, 1);
      const holder = await dray.workerOf(id);
      const victim = [...workers].find(({ pid }) => holder.split(':')[1] === String(pid));
      if (!victim) throw new Error(`job ${id} runs at ${holder}, which is none of ours`);
      const harmed = Date.now();
      await harm(victim);
      const [, again] = await beginnings(file, 2);
      workers.delete(victim);
      await victim.kill();
      await dray.cancel(id);
      workers.add(await start());
      // The new worker is known to the servers, and the other one has its slot back.
      await delay(1_000);
      return again - harmed;
    }

    const killed = [];
    for (let i = 0; i < kills; i++) killed.push(await rerun(`kill-${i}`, (worker) => worker.kill()));
    const frozen = [];
    for (let i = 0; i < freezes; i++)
      frozen.push(await rerun(`freeze-${i}`, (worker) => void process.kill(worker.pid, 'SIGSTOP')));
    const ms = (what, values, atMost) => limit({ what, unit: 'ms', values, atMost });
    return [
      ms('kill -9 → re-run, median', [percentile(killed, 50)], 100),
      ms('kill -9 → re-run, maximum', killed, 500),
      ms('SIGSTOP → re-run, maximum', frozen, lease + grace),
    ];
  },
};

/** Waits until the job has begun so many times, and gives the moments. */
async function beginnings(file, count) {
  const end = performance.now() + patience;
  for (;;) {
    const moments = lines(file).map(Number);
    if (moments.length >= count) return moments;
    if (performance.now() > end)
      throw new Error(`the job has begun ${moments.length} times within ${patience} ms`);
    await delay(2);
  }
}

function lines(file) {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}
