/**
 * How many small products a second does matrix service B's door accept, each on disk before its 202? 2 × 2
 * bodies on 64 connections, against FastAPI that queues Celery tasks. The workers of both run meanwhile, and
 * each round ends when every job that it submitted has ended.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { drained } from './harness/burst.mjs';
import { startDray } from './harness/dray.mjs';
import { alternate, compare, information, limit, percentile } from './harness/figures.mjs';
import { request } from './harness/http.mjs';
import { startLoad } from './harness/load.mjs';
import { startCelery } from './peers/celery.mjs';

const path = '/matrix_multiplication/';
const text = '{"A": [[1, 2], [3, 4]], "B": [[5, 6], [7, 8]]}';
const product = '[[19,22],[43,50]]';
/** So many products of a round are looked at, evenly spread over it. */
const samples = 50;

export default {
  name: 'door-b',
  target: '2,000 durable requests/s of 2 × 2, and 10 × those of FastAPI + Celery; none lost',
  async run(ctx) {
    const celery = await startCelery(ctx);
    const dray = await startDray(ctx);
    const generator = await startLoad(ctx, 'posts');
    const load = {
      bodies: { text },
      connections: 64,
      warmUp: ctx.quick ? 1 : 2,
      seconds: ctx.quick ? 2 : 6,
    };
    const { peer, ours } = await alternate(ctx.quick ? 1 : 3, {
      peer: async () => {
        const run = await generator.run({ ...load, url: celery.url + path });
        await drainCelery(celery.url, run);
        return run;
      },
      ours: async () => {
        const before = await completedBy(dray);
        const run = await generator.run({ ...load, url: dray.url + path });
        return { ...run, ...(await drainDray(dray, run, before)) };
      },
    });
    const each = (runs, of) => runs.map(of);
    const rate = (run) => run.requestsPerSecond;
    const latency = (percent) => (run) => percentile(run.latencies, percent);
    const both = (what, unit, of, target = {}) =>
      compare({ what, unit, ours: each(ours, of), peer: each(peer, of), ...target });
    return [
      limit({
        what: 'products of 2² accepted',
        unit: 'requests/s',
        values: each(ours, rate),
        atLeast: 2_000,
      }),
      both('the same, peer: FastAPI + Celery', 'requests/s', rate, { atLeast: 10 }),
      both('request → 202, p50', 'ms', latency(50)),
      both('request → 202, p99', 'ms', latency(99)),
      limit({ what: 'accepted, but lost', unit: 'jobs', values: each(ours, (run) => run.lost), atMost: 0 }),
      information({
        what: 'completed meanwhile',
        unit: 'jobs/s',
        values: each(ours, (run) => run.completed),
      }),
      information({
        what: 'then, until all had ended',
        unit: 's',
        values: each(ours, (run) => run.drainSeconds),
      }),
      both('the load generator, of one core', '', (run) => run.generatorBusy),
      information({ what: 'peak memory of the API process', unit: 'MB', values: [dray.peakMemory() / 1e6] }),
    ];
  },
};

async function completedBy(dray) {
  return (await dray.jobs('matmul')).completed ?? 0;
}

/** @throws Error where a job failed or did not end, or a product that is looked at is wrong */
async function drainDray(dray, { accepted, seconds }, before) {
  const started = performance.now();
  const completed = ((await completedBy(dray)) - before) / seconds;
  const jobs = await drained(dray, 100);
  const drainSeconds = (performance.now() - started) / 1000;
  if (jobs.failed + jobs.cancelled > 0) throw new Error(`not all completed: ${JSON.stringify(jobs)}`);
  for (const id of spreadOver(accepted)) {
    const job = await request({ url: `${dray.url}${path}${id}` });
    if (JSON.stringify(job.json.result) !== product) throw new Error(`a wrong product: ${job.text}`);
  }
  // More than were accepted would be a fault as well: a job that was made twice.
  return { completed, drainSeconds, lost: Math.abs(before + accepted.length - jobs.completed) };
}

/** @throws Error where a task failed or was lost */
async function drainCelery(url, { accepted }) {
  const started = performance.now();
  const status = async (id) => (await request({ url: `${url}/products/${id}` })).json.status;
  // Tasks end in about the order in which they came, so nearly all have ended when the last one has.
  for (const id of accepted.toReversed()) {
    for (let seen = await status(id); seen !== 'SUCCESS'; seen = await status(id)) {
      if (seen !== 'PENDING' && seen !== 'STARTED') throw new Error(`task ${id}: ${seen}`);
      if (performance.now() - started > 60_000) throw new Error(`task ${id} is still ${seen}`);
      await delay(25);
    }
    if (performance.now() - started > 45_000) break; // its results expire soon
  }
}

function spreadOver(ids) {
  return Array.from({ length: samples }, (_, i) => ids[Math.floor((i / samples) * ids.length)]);
}
