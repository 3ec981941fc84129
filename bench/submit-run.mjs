/**
 * How many jobs a second complete while 64 connections submit as fast as they are answered? Against fastify with
 * BullMQ and its worker process, 100 jobs at a time. Each round ends when every job that it submitted has completed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { drained } from './harness/burst.mjs';
import { alternate, compare, information, limit } from './harness/figures.mjs';
import { startDray } from './harness/dray.mjs';
import { wrk } from './harness/wrk.mjs';
import { startBullmq } from './peers/bullmq.mjs';

const connections = 64;

export default {
  name: 'submit-run',
  target: '3 × the jobs/s that fastify + BullMQ + its worker complete while jobs are submitted',
  async run(ctx) {
    const [warmUp, seconds] = ctx.quick ? [1, 2] : [3, 8];
    const sides = { peer: await startPeer(ctx), ours: await startOurs(ctx) };
    for (const side of Object.values(sides)) await round(side, warmUp);
    const { peer, ours } = await alternate(ctx.quick ? 1 : 5, {
      peer: () => round(sides.peer, seconds),
      ours: () => round(sides.ours, seconds),
    });
    const both = (what, unit, of, target = {}) =>
      compare({ what, unit, ours: ours.map(of), peer: peer.map(of), ...target });
    return [
      both('completed meanwhile, peer: fastify + BullMQ', 'jobs/s', (run) => run.completedPerSecond, {
        atLeast: 3,
      }),
      both('accepted meanwhile', 'jobs/s', (run) => run.requestsPerSecond),
      both('from the first submit to the last completion', 'jobs/s', (run) => run.jobsPerSecond),
      both('request → 202, p99', 'ms', (run) => run.p99),
      limit({ what: 'accepted, but lost', unit: 'jobs', values: ours.map((run) => run.lost), atMost: 0 }),
      information({
        what: 'the load generator, of one core',
        unit: '',
        values: ours.map((run) => run.generatorBusy),
      }),
    ];
  },
};

async function round({ url, completed, drain }, seconds) {
  const before = await completed();
  const started = performance.now();
  const run = await wrk({ url, script: 'submit.lua', connections, seconds });
  const meanwhile = (await completed()) - before;
  const loaded = (performance.now() - started) / 1000;
  await drain();
  const jobs = (await completed()) - before;
  return {
    ...run,
    completedPerSecond: meanwhile / loaded,
    jobsPerSecond: jobs / ((performance.now() - started) / 1000),
    lost: Math.max(0, run.requests - jobs),
  };
}

async function startPeer(ctx) {
  const bullmq = await startBullmq(ctx);
  const queue = await bullmq.queue('jobs');
  const worker = await bullmq.worker('jobs', { where: 'inline', concurrency: 100 });
  const url = await bullmq.service('jobs');
  return {
    url,
    completed: async () => (await worker.run({ until: 0 })).completed,
    drain: async () => {
      for (;;) {
        const { waiting, active, failed } = await queue.getJobCounts();
        if (failed > 0) throw new Error(`${failed} jobs failed`);
        if (waiting + active === 0) return;
        await delay(20);
      }
    },
  };
}

async function startOurs(ctx) {
  const dray = await startDray(ctx);
  return {
    url: `${dray.url}/v1/jobs`,
    completed: async () => (await dray.jobs('echo')).completed ?? 0,
    drain: async () => {
      const { failed } = await drained(dray, 20, 'echo');
      if (failed > 0) throw new Error(`${failed} jobs failed`);
    },
  };
}
