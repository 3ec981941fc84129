/**
 * How many predictions a second does a served model give, one row in each request? Against fastify with ONNX Runtime
 * and nothing around them, and FastAPI with TensorFlow behind uvicorn, where that is installed. All run all the time and
 * are loaded in turn.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startPart } from './harness/dray.mjs';
import { alternate, compare, information } from './harness/figures.mjs';
import { request } from './harness/http.mjs';
import { startPeer } from './harness/peer.mjs';
import { wrk } from './harness/wrk.mjs';

const models = fileURLToPath(new URL('../models', import.meta.url));
const tensorflow = join(models, '.venv/bin/python');
const path = '/v1/models/celsiusify:predict';

export default {
  name: 'predict',
  target: ':predict with one row: 0.7 × the requests/s of fastify and ONNX Runtime with nothing around them',
  async run(ctx) {
    const peer = (name, command, args) => startPeer(ctx, { name, command, args, ask });
    const urls = { bare: await peer('fastify', process.execPath, (port) => ['predict-fastify.mjs', port]) };
    const options = ['serve', '--models', models, '--port', '0', '--log-level', 'warn'];
    urls.ours = (await startPart(ctx, 'models', ctx.scratch, options)).url;
    if (existsSync(tensorflow)) {
      urls.tensorflow = await peer('uvicorn', tensorflow, (port) => [
        ...['-m', 'uvicorn', 'predict_tensorflow:app', '--host', '127.0.0.1', '--port', port],
        ...['--log-level', 'warning', '--no-access-log'],
      ]);
    }
    for (const url of Object.values(urls)) await hold(url);

    const load = (url, seconds) => wrk({ url: url + path, script: 'predict.lua', connections: 32, seconds });
    for (const url of Object.values(urls)) await load(url, ctx.quick ? 1 : 3);
    const steps = Object.entries(urls).map(([name, url]) => [name, () => load(url, ctx.quick ? 1 : 4)]);
    const runs = await alternate(ctx.quick ? 1 : 9, Object.fromEntries(steps));
    const against = (side, name) => (what, unit, of, target) =>
      runs[side]
        ? [
            compare({
              what: `${what}, peer: ${name}`,
              unit,
              ours: runs.ours.map(of),
              peer: runs[side].map(of),
              ...target,
            }),
          ]
        : [];
    const bare = against('bare', 'fastify + ONNX Runtime');
    const python = against('tensorflow', 'FastAPI + TensorFlow');
    const rate = (run) => run.requestsPerSecond;
    return [
      ...bare(':predict', 'requests/s', rate, { atLeast: 0.7 }),
      ...python(':predict', 'requests/s', rate),
      ...(urls.tensorflow
        ? []
        : [{ what: 'FastAPI + TensorFlow: not installed (scripts/setup.mjs --tensorflow)' }]),
      ...bare('latency, p99', 'ms', (run) => run.p99),
      ...python('latency, p99', 'ms', (run) => run.p99),
      information({
        what: 'the load generator, of one core',
        unit: '',
        values: runs.ours.map((run) => run.generatorBusy),
      }),
    ];
  },
};

const body = Buffer.from('{"instances": [[451]]}');
const headers = { 'content-type': 'application/json' };
const ask = (url) => request({ url: url + path, method: 'POST', headers, body });

/** @throws Error unless the server converts as it should: fast nonsense would be no figure. */
async function hold(url) {
  const { json } = await ask(url);
  const [[celsius]] = json.predictions;
  if (Math.abs(celsius - 232.777778) > 1e-3) throw new Error(`${url} gave ${JSON.stringify(json)}`);
}
