/** The peer that a team would build in Python: FastAPI, Celery on RabbitMQ, numpy, results in Redis. */
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { request } from '../harness/http.mjs';
import { freePort, ready, startProcess } from '../harness/process.mjs';
import { startRabbit } from '../../scripts/services/rabbitmq.mjs';
import { startRedis } from '../../scripts/services/redis.mjs';

const code = fileURLToPath(new URL('./celery/', import.meta.url));

/** uvicorn and Celery with two processes each. Gives the API's address once a product went the whole way. */
export async function startCelery(ctx) {
  const redis = await startRedis({ folder: join(ctx.scratch, 'redis'), appendfsync: 'everysec' });
  ctx.defer(() => redis.stop());
  const rabbit = await startRabbit({ folder: join(ctx.scratch, 'rabbit') });
  ctx.defer(() => rabbit.stop());
  const env = {
    BROKER_URL: rabbit.url,
    RESULT_URL: `${redis.url}/0`,
    // One BLAS thread in each of two processes on two cores: twice as fast as two threads in each.
    OPENBLAS_NUM_THREADS: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const run = (name, args) => {
    const log = join(ctx.scratch, `${name}.log`);
    const service = startProcess({ name, command: ctx.python(), args: ['-m', ...args], env, cwd: code, log });
    ctx.defer(() => service.stop());
    return service;
  };
  const port = await freePort();
  run('celery', ['celery', '-A', 'tasks', 'worker', '--concurrency', '2', '--loglevel', 'WARNING']);
  const api = run('uvicorn', [
    'uvicorn',
    'service:app',
    ...['--host', '127.0.0.1', '--port', String(port), '--workers', '2', '--log-level', 'warning'],
  ]);
  const url = `http://127.0.0.1:${port}`;
  await ready(api, () => whole(url));
  return { url };
}

async function whole(url) {
  try {
    const body = Buffer.from('{"a":[[1,2],[3,4]],"b":[[5,6],[7,8]]}');
    const headers = { 'content-type': 'application/json' };
    const submitted = await request({ method: 'POST', url: `${url}/products`, headers, body, expect: [202] });
    const { json } = await request({ url: `${url}/products/${submitted.json.id}/result` });
    if (JSON.stringify(json) !== '[[19,22],[43,50]]')
      throw new Error(`wrong product: ${JSON.stringify(json)}`);
    return true;
  } catch (error) {
    if (['ECONNREFUSED', 'ECONNRESET'].includes(error.code)) return false;
    throw error;
  }
}
