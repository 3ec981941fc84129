/**
 * Owns the servers that the tests of one run share: started when the first test file asks, each once. A process
 * of its own, so that it ends them however the run ends: then its channel to the run is cut.
 *
 * GET /redis, /rabbitmq and /s3 give a part of the server that nobody else is given; 404 where the server's
 * program is not on this machine, 500 where it does not start.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createBucket } from '../../scripts/services/bucket.mjs';
import { MissingProgram } from '../../scripts/services/process.mjs';
import { startRabbit } from '../../scripts/services/rabbitmq.mjs';
import { startRedis } from '../../scripts/services/redis.mjs';
import { startS3 } from '../../scripts/services/s3.mjs';

const { DRAY_TEST_REDIS, DRAY_TEST_RABBITMQ, DRAY_TEST_S3 } = process.env;
const scratch = mkdtempSync(join(tmpdir(), 'dray-services-'));
const servers = new Map();
/** One run's parts of a server that is given must not meet those of an earlier one. */
const run = `dray-test-${Date.now().toString(36)}-${process.pid}`;
/** How many parts of each server were given. */
const given = { redis: 0, rabbitmq: 0, s3: 0 };

/** The server of this name, which the first call starts. */
function server(name, start) {
  if (!servers.has(name)) servers.set(name, start({ folder: join(scratch, name) }));
  return servers.get(name);
}

const kinds = {
  async redis(part) {
    // The end of a start/end job is written into database 3.
    if (DRAY_TEST_REDIS) return { url: await emptied(`${trimmed(DRAY_TEST_REDIS)}/${4 + (part % 12)}`) };
    const { url } = await server('redis', (at) => startRedis({ ...at, config: { databases: 1_000 } }));
    return { url: `${url}/${4 + (part % 996)}` };
  },

  async rabbitmq(part) {
    const name = `${run}-${part}`;
    if (DRAY_TEST_RABBITMQ) return { url: await addVhost(new URL(DRAY_TEST_RABBITMQ), name) };
    const rabbit = await server('rabbitmq', startRabbit);
    return { url: await rabbit.addVhost(name) };
  },

  async s3(part) {
    const bucket = `${run}-${part}`;
    const url = DRAY_TEST_S3 && new URL(DRAY_TEST_S3);
    const { endpoint, accessKey, secretKey } = url
      ? { endpoint: url.origin, accessKey: url.username, secretKey: decodeURIComponent(url.password) }
      : await server('s3', startS3);
    await createBucket({ endpoint, bucket, accessKey, secretKey });
    const env = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
    return { url: `s3://${bucket}?endpoint=${endpoint}`, endpoint, bucket, accessKey, secretKey, env };
  },
};

/** By the management API, which is the only way into a RabbitMQ that runs elsewhere. */
async function addVhost(url, name) {
  const api = url.searchParams.get('api') ?? `http://${url.hostname}:15672`;
  const login = Buffer.from(`${url.username}:${decodeURIComponent(url.password)}`).toString('base64');
  const put = async (path, body) => {
    const response = await fetch(`${api}/api/${path}`, {
      method: 'PUT',
      headers: { authorization: `Basic ${login}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${api}/api/${path}: ${response.status} ${await response.text()}`);
  };
  await put(`vhosts/${name}`, {});
  await put(`permissions/${name}/${url.username}`, { configure: '.*', write: '.*', read: '.*' });
  return `amqp://${url.username}:${url.password}@${url.host}/${name}`;
}

/** An earlier run may have left its jobs there. */
async function emptied(url) {
  const client = new Redis(url);
  await client.flushdb();
  client.disconnect();
  return url;
}

const trimmed = (url) => url.replace(/\/\d*$/, '');

const door = createServer((request, response) => {
  const name = request.url.slice(1);
  kinds[name](given[name]++).then(
    (part) => response.end(JSON.stringify(part)),
    (error) => {
      response.statusCode = error instanceof MissingProgram ? 404 : 500;
      response.end(error.message);
    },
  );
});
door.listen(0, '127.0.0.1', () => process.send(door.address().port));

// Signals reach the whole group, by the keyboard or by `timeout`; the run's end is what counts.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
process.on('disconnect', async () => {
  door.close();
  door.closeAllConnections();
  await Promise.all(
    [...servers.values()].map((started) => started.then((it) => it.stop()).catch(() => undefined)),
  );
  rmSync(scratch, { recursive: true, force: true });
});
