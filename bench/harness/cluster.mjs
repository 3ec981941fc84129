/** Our side past one machine: `dray api`, `worker` and `controller` as processes, on servers of the bench's own. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startRabbit } from '../../scripts/services/rabbitmq.mjs';
import { startRedis } from '../../scripts/services/redis.mjs';
import { startS3 } from '../../scripts/services/s3.mjs';
import { clientOf } from './client.mjs';
import { startPart } from './dray.mjs';

const task = (name) => fileURLToPath(new URL(`../tasks/${name}.js`, import.meta.url));

/**
 * Starts Redis, which syncs each write, RabbitMQ, and S3 where it is asked for; then one API and one controller.
 * Workers are started one by one. All know the tasks of bench/tasks.
 * @param {{ s3?: boolean, apiOptions?: string[] }} options without S3 blobs are in a folder that all share
 */
export async function startCluster(ctx, { s3 = false, apiOptions = [] } = {}) {
  const folder = mkdtempSync(join(ctx.scratch, 'cluster-'));
  const started = async (starting) => {
    const server = await starting;
    ctx.defer(() => server.stop());
    return server;
  };
  const [redis, rabbit, bucket] = await Promise.all([
    started(startRedis({ folder: join(folder, 'redis') })),
    started(startRabbit({ folder: join(folder, 'rabbit') })),
    s3 ? started(startS3({ folder: join(folder, 's3') })) : undefined,
  ]);
  const blobs = join(folder, 'blobs');
  if (!s3) mkdirSync(blobs);
  const env = {
    DRAY_QUEUE: rabbit.url,
    DRAY_STATE: redis.url,
    DRAY_BLOBS: bucket?.url ?? pathToFileURL(blobs).href,
    DRAY_TASKS: ['note', 'mark'].map(task).join(','),
    ...bucket?.env,
  };
  let parts = 0;
  // Each in a folder of its own: what they share is in the three servers.
  const start = (mode, options, more = {}) => {
    const own = join(folder, `${mode}-${++parts}`);
    mkdirSync(own);
    return startPart(ctx, mode, own, options, { ...env, ...more });
  };
  const [api] = await Promise.all([start('api', ['--port', '0', ...apiOptions]), start('controller', [])]);
  return {
    redis,
    rabbit,
    api,
    ...clientOf(api.url),
    startWorker: (options = [], more = {}) => start('worker', options, more),
  };
}
