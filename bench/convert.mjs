/**
 * How many requests a second does /convert/ answer in one process? Against a fastify with nothing but this route,
 * and FastAPI behind uvicorn. All three run all the time and are loaded in turn.
 */
import { startDray } from './harness/dray.mjs';
import { alternate, compare, information } from './harness/figures.mjs';
import { request } from './harness/http.mjs';
import { startPeer } from './harness/peer.mjs';
import { wrk } from './harness/wrk.mjs';

const ask = (url) => request({ url: `${url}/convert/?fahrenheit=32` });

export default {
  name: 'convert',
  target: '/convert/: 0.9 × the requests/s of a bare fastify with the same schema',
  async run(ctx) {
    const fastify = await startPeer(ctx, {
      name: 'fastify',
      command: process.execPath,
      args: (port) => ['convert-fastify.mjs', port],
      ask,
    });
    const fastapi = await startPeer(ctx, {
      name: 'uvicorn',
      command: ctx.python(),
      args: (port) => [
        ...['-m', 'uvicorn', 'convert_fastapi:app', '--host', '127.0.0.1', '--port', port],
        ...['--log-level', 'warning', '--no-access-log'],
      ],
      ask,
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

/** @throws Error unless the server converts as it should: fast nonsense would be no figure. */
async function hold(url) {
  const { json } = await request({ url: `${url}/convert/?fahrenheit=451.0` });
  if (json.celsius !== '232.777778' || !/^\w{8}(-\w{8}){3}$/.test(json.app_identifier)) {
    throw new Error(`${url} converted 451 °F to ${JSON.stringify(json)}`);
  }
}
