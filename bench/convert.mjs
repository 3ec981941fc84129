/**
 * How many requests a second does /convert/ answer in one process? Against a fastify with nothing but this route,
 * and FastAPI behind uvicorn. All three run all the time and are loaded in turn.
 */
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { startDray } from './harness/dray.mjs';
import { alternate, compare, information } from './harness/figures.mjs';
import { request } from './harness/http.mjs';
import { freePort, ready, startProcess } from './harness/process.mjs';
import { wrk } from './harness/wrk.mjs';

const peers = fileURLToPath(new URL('./peers/', import.meta.url));

export default {
  name: 'convert',
  target: '/convert/: 0.9 × the requests/s of a bare fastify with the same schema',
  async run(ctx) {
    const fastify = await startPeer(ctx, {
      name: 'fastify',
      command: process.execPath,
      args: (port) => ['convert-fastify.mjs', port],
    });
    const fastapi = await startPeer(ctx, {
      name: 'uvicorn',
      command: ctx.python(),
      args: (port) => [
        ...['-m', 'uvicorn', 'convert_fastapi:app', '--host', '127.0.0.1', '--port', port],
        ...['--log-level', 'warning', '--no-access-log'],
      ],
    });
    const dray = await startDray(ctx);
    const urls = { fastify, ours: dray.url, fastapi };
    for (const url of Object.values(urls)) await hold(url);

    const load = (url, seconds) => wrk({ url, script: 'convert.lua', connections: 32, seconds });
    for (const url of Object.values(urls)) await load(url, ctx.quick ? 1 : 3);
    const runs = await alternate(
      ctx.quick ? 1 : 9,
      Object.fromEntries(
        Object.entries(urls).map(([name, url]) => [name, () => load(url, ctx.quick ? 1 : 4)]),
      ),
    );
    const against = (side, name) => (what, unit, of, target) =>
      compare({
        what: `${what}, peer: ${name}`,
        unit,
        ours: runs.ours.map(of),
        peer: runs[side].map(of),
        ...target,
      });
    const bare = against('fastify', 'bare fastify');
    const python = against('fastapi', 'FastAPI + uvicorn');
    const rate = (run) => run.requestsPerSecond;
    return [
      bare('/convert/', 'requests/s', rate, { atLeast: 0.9 }),
      python('/convert/', 'requests/s', rate),
      bare('latency, p99', 'ms', (run) => run.p99),
      python('latency, p99', 'ms', (run) => run.p99),
      information({
        what: 'the load generator, of one core',
        unit: '',
        values: runs.ours.map((run) => run.generatorBusy),
      }),
    ];
  },
};

async function startPeer(ctx, { name, command, args }) {
  const port = await freePort();
  const service = startProcess({
    name,
    command,
    args: args(String(port)),
    cwd: peers,
    env: { PYTHONDONTWRITEBYTECODE: '1' },
    log: join(ctx.scratch, `${name}.log`),
  });
  ctx.defer(() => service.stop());
  const url = `http://127.0.0.1:${port}`;
  const answers = () =>
    request({ url: `${url}/convert/?fahrenheit=32` }).then(
      () => true,
      (error) => {
        if (error.code === 'ECONNREFUSED') return false;
        throw error;
      },
    );
  await ready(service, answers);
  return url;
}

/** @throws Error unless the server converts as it should: fast nonsense would be no figure. */
async function hold(url) {
  const { json } = await request({ url: `${url}/convert/?fahrenheit=451.0` });
  if (json.celsius !== '232.777778' || !/^\w{8}(-\w{8}){3}$/.test(json.app_identifier)) {
    throw new Error(`${url} converted 451 °F to ${JSON.stringify(json)}`);
  }
}
