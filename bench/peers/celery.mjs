/** The peer that a team would build in Python: FastAPI, Celery on RabbitMQ, numpy, results in Redis. */
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { request } from '../harness/http.mjs';
import { freePort, ready, startAnswerer, startProcess } from '../harness/process.mjs';
import { startRabbit } from '../../scripts/services/rabbitmq.mjs';
import { startRedis } from '../../scripts/services/redis.mjs';

const code = fileURLToPath(new URL('./celery/', import.meta.url));

/**
 * uvicorn and Celery with two processes each. Resolves once a product went the whole way, or where there is no worker
 * once the API answers.
 * @param {{ worker?: boolean, appendfsync?: 'always' | 'everysec' }} options
 */
export async function startCelery(ctx, { worker = true, appendfsync = 'everysec' } = {}) {
  const redis = await startRedis({ folder: join(ctx.scratch, 'celery-redis'), appendfsync });
  ctx.defer(() => redis.stop());
  // Its messages hold whole matrices: it gets the bound that RabbitMQ has by itself.
  const config = { max_message_size: 134_217_728 };
  const rabbit = await startRabbit({ folder: join(ctx.scratch, 'celery-rabbit'), config });
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
  if (worker)
    run('celery', ['celery', '-A', 'tasks', 'worker', '--concurrency', '2', '--loglevel', 'WARNING']);
  const api = run('uvicorn', [
    'uvicorn',
    'service:app',
    ...['--host', '127.0.0.1', '--port', String(port), '--workers', '2', '--log-level', 'warning'],
  ]);
  const url = `http://127.0.0.1:${port}`;
  await ready(api, () => (worker ? whole(url) : answers(url)));
  return {
    url,
    /** How many jobs wait. */
    async waiting() {
      const connection = await connect(rabbit.url);
      const channel = await connection.createChannel();
      const { messageCount } = await channel.checkQueue('celery');
      await connection.close();
      return messageCount;
    },
    /** @returns a function that lets so many jobs wait, and then gives how many a second were completed */
    drain: () => {
      const log = join(ctx.scratch, 'drain.log');
      const program = ['drain.py'];
      const drain = startAnswerer({
        name: 'drain',
        command: ctx.python(),
        args: program,
        env,
        cwd: code,
        log,
      });
      ctx.defer(() => drain.stop());
      return async (jobs) => ({ jobsPerSecond: jobs / (await drain.ask(String(jobs))) });
    },
  };
}

/** Any answer will do: that it does what it should is seen from the jobs that wait. */
function answers(url) {
  return fetch(url).then(
    (response) => response.arrayBuffer().then(() => true),
    () => false,
  );
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
