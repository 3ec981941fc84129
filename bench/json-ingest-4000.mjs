/**
 * How fast does a large JSON matrix come in? From the first byte of the POST to its 202, when the matrix is
 * checked, binary and durable; against orjson and numpy on the same bytes, in memory and behind FastAPI. The
 * server must meanwhile stay small and answer others.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alternate, compare, information, limit, percentile } from './harness/figures.mjs';
import { doublesAsJson, writeFileOf } from './harness/matrices.mjs';
import { freePort, peakMemory, ready, startAnswerer, startProcess } from './harness/process.mjs';
import { request } from './harness/http.mjs';
import { startDray } from './harness/dray.mjs';
import { startLoad } from './harness/load.mjs';

const peers = fileURLToPath(new URL('./peers/', import.meta.url));

export default {
  name: 'json-ingest-4000',
  target: '1.3 × orjson → numpy, API under 350 MB, /healthz p99 under 50 ms',
  async run(ctx) {
    const n = ctx.quick ? 1000 : 4000;
    const file = join(ctx.scratch, 'body.json');
    await writeFileOf(file, bodyChunks(n));
    const body = readFileSync(file);
    const megabytes = body.length / 1e6;
    ctx.log(`the body has ${megabytes.toFixed(0)} MB`);

    const memory = startAnswerer({
      name: 'orjson',
      command: ctx.python(),
      args: [join(peers, 'ingest_memory.py'), file],
      log: join(ctx.scratch, 'orjson.log'),
    });
    ctx.defer(() => memory.stop());
    const fastapi = await startFastApi(ctx);
    const dray = await startDray(ctx, ['--min-executors', '1', '--max-executors', '1']);
    const pulse = await startLoad(ctx, 'pulse');

    const post = async (url) => {
      pulse.send({ url: `${url}/healthz` });
      const start = performance.now();
      const headers = { 'content-type': 'application/json' };
      const { json } = await request({ method: 'POST', url: `${url}/v1/jobs`, headers, body, expect: [202] });
      const rate = megabytes / ((performance.now() - start) / 1000);
      const { latencies } = await pulse.run({ stop: true });
      return { id: json.id, rate, latencies };
    };
    const steps = {
      memory: async () => {
        const run = await memory.ask('run');
        return { rate: megabytes / run.seconds, peak: run.peakMemory };
      },
      ours: async () => {
        const run = await post(dray.url);
        await dray.product(run.id);
        return { ...run, peak: dray.peakMemory() };
      },
      fastapi: async () => ({ ...(await post(fastapi.url)), peak: peakMemory(fastapi.pid) }),
    };
    // A server is warm: the first round, with code that no compiler has seen yet, is not counted.
    await alternate(1, steps);
    const figures = await alternate(ctx.quick ? 2 : 9, steps);
    const rates = (runs) => runs.map(({ rate }) => rate);
    const peaks = (runs) => runs.map(({ peak }) => peak / 1e6);
    const p99 = (runs) =>
      percentile(
        runs.flatMap(({ latencies }) => latencies),
        99,
      );
    const ours = rates(figures.ours);
    return [
      compare({
        what: `JSON of ${n}² in, peer: orjson → numpy in memory`,
        unit: 'MB/s',
        ours,
        peer: rates(figures.memory),
        atLeast: 1.3,
      }),
      compare({
        what: 'the same, peer: FastAPI + orjson → numpy over HTTP',
        unit: 'MB/s',
        ours,
        peer: rates(figures.fastapi),
      }),
      limit({ what: 'peak memory of the API process', unit: 'MB', values: peaks(figures.ours), atMost: 350 }),
      limit({ what: '/healthz meanwhile, p99', unit: 'ms', values: [p99(figures.ours)], atMost: 50 }),
      information({ what: "FastAPI's /healthz meanwhile, p99", unit: 'ms', values: [p99(figures.fastapi)] }),
      information({ what: "FastAPI's peak memory", unit: 'MB', values: peaks(figures.fastapi) }),
    ];
  },
};

function* bodyChunks(n) {
  yield Buffer.from('{"type":"matmul","input":{"a":');
  yield* doublesAsJson({ rows: n, cols: n, seed: 1 });
  yield Buffer.from(`,"b":{"random":{"rows":${n},"cols":1,"seed":1}}}}`);
}

async function startFastApi(ctx) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const service = startProcess({
    name: 'uvicorn',
    command: ctx.python(),
    args: ['-m', 'uvicorn', 'ingest_http:app', '--port', String(port), '--log-level', 'warning'],
    env: { PYTHONDONTWRITEBYTECODE: '1' },
    cwd: peers,
    log: join(ctx.scratch, 'uvicorn.log'),
  });
  ctx.defer(() => service.stop());
  await ready(service, () =>
    request({ url: `${url}/healthz` }).then(
      () => true,
      () => false,
    ),
  );
  return { url, pid: service.pid };
}
