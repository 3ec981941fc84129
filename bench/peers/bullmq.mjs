/** The peer that a team would build in Node: fastify and BullMQ, on a Redis that syncs each write as Dray does. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { startAnswering } from '../harness/load.mjs';
import { freePort, ready, startProcess } from '../harness/process.mjs';
import { startRedis } from '../../scripts/services/redis.mjs';
import { bullmq } from './setup.mjs';

const program = (name) => new URL(`./bullmq/${name}.mjs`, import.meta.url);

/** A Redis of its own; BullMQ's processes are started as they are needed, and queues have names. */
export async function startBullmq(ctx) {
  bullmq();
  const { openQueue } = await import(program('queue'));
  const redis = await startRedis({ folder: mkdtempSync(join(ctx.scratch, 'redis-')) });
  ctx.defer(() => redis.stop());

  /** A connection of this process, to fill a queue and to look at it. */
  async function queue(name) {
    const opened = openQueue(name, redis.port);
    await opened.waitUntilReady();
    ctx.defer(() => opened.close());
    return opened;
  }

  /** @returns the address that jobs are posted to */
  async function service(name) {
    const port = await freePort();
    const web = startProcess({
      name: 'fastify',
      command: process.execPath,
      args: [program('service').pathname, String(port), name, String(redis.port)],
      log: join(ctx.scratch, 'fastify.log'),
    });
    ctx.defer(() => web.stop());
    const url = `http://127.0.0.1:${port}/jobs`;
    await ready(web, () => answers(url));
    return url;
  }

  /** `run({ until })` gives how many jobs have completed, once there are so many. */
  const worker = (name, { concurrency, where }) =>
    startAnswering(ctx, {
      name: `bullmq-${where}`,
      file: program('worker'),
      args: [name, redis.port, concurrency, where],
    });

  return { port: redis.port, queue, service, worker };
}

/** Any answer will do: that it does what it should is seen from the jobs in Redis. */
function answers(url) {
  return fetch(url).then(
    (response) => response.arrayBuffer().then(() => true),
    () => false,
  );
}
