/**
 * A product of 1000² doubles as JSON, from the first byte of the request to the last of the product, past one
 * machine: API, worker, RabbitMQ, Redis and S3 here, against FastAPI + Celery + numpy with RabbitMQ and Redis.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startCluster } from './harness/cluster.mjs';
import { alternate, compare } from './harness/figures.mjs';
import { request } from './harness/http.mjs';
import { doublesAsJson } from './harness/matrices.mjs';
import { startCelery } from './peers/celery.mjs';

/** How often the peer is asked whether the job is done: its own clients could not know earlier either. */
const pollMs = 25;

export default {
  name: 'cluster-1000',
  target: '1000² doubles as JSON, end to end, in a tenth of the time of FastAPI + Celery + numpy',
  async run(ctx) {
    const size = ctx.quick ? 200 : 1_000;
    const a = Buffer.concat([...doublesAsJson({ rows: size, cols: size, seed: 1 })]);
    const b = Buffer.concat([...doublesAsJson({ rows: size, cols: size, seed: 2 })]);
    const body = (begin, end) => Buffer.concat([begin, a, ',"b":', b, end].map((part) => Buffer.from(part)));
    const forDray = body('{"type":"matmul","input":{"a":', '}}');
    const forPeer = body('{"a":', '}');
    const celery = await startCelery(ctx, { appendfsync: 'always' });
    const dray = await startCluster(ctx, { s3: true });
    await dray.startWorker(['--types', 'matmul']);
    const sides = {
      peer: timed(() => celeryProduct(celery.url, forPeer)),
      ours: timed(async () => {
        const id = await dray.submit(forDray);
        await dray.product(id);
        const headers = { accept: 'application/json' };
        return (await request({ url: `${dray.api.url}/v1/jobs/${id}/result`, headers })).text;
      }),
    };
    const first = { peer: await sides.peer(), ours: await sides.ours() };
    sameProducts(JSON.parse(first.peer.text), JSON.parse(first.ours.text), size);
    const { peer, ours } = await alternate(ctx.quick ? 1 : 7, sides);
    const ms = (runs) => runs.map((run) => run.ms);
    return [
      compare({
        what: 'body sent → product received, peer: FastAPI + Celery + numpy',
        unit: 'ms',
        ours: ms(ours),
        peer: ms(peer),
        atMost: 0.1,
      }),
    ];
  },
};

const timed = (step) => async () => {
  const started = performance.now();
  const text = await step();
  return { ms: performance.now() - started, text };
};

async function celeryProduct(url, body) {
  const headers = { 'content-type': 'application/json' };
  const submitted = await request({ method: 'POST', url: `${url}/products`, headers, body, expect: [202] });
  const at = `${url}/products/${submitted.json.id}`;
  for (;;) {
    const { status } = (await request({ url: at })).json;
    if (status === 'SUCCESS') return (await request({ url: `${at}/result` })).text;
    if (status === 'FAILURE') throw new Error(`the peer’s job failed: ${at}`);
    await delay(pollMs);
  }
}

/** @throws Error where they differ by more than the order of their sums explains */
function sameProducts(theirs, ours, size) {
  for (let row = 0; row < size; row++) {
    for (let col = 0; col < size; col++) {
      const difference = Math.abs(theirs[row][col] - ours[row][col]);
      if (!(difference <= 1e-9 * size))
        throw new Error(`the products differ by ${difference} at ${row}, ${col}`);
    }
  }
}
