/**
 * A load generator in a process of its own: so many connections, each of which submits a product of two
 * matrices of doubles as JSON, waits for its completion and goes on. The same code loads Dray and the peer;
 * they differ only in the path, and in how completion is awaited.
 *
 * Takes `{ side, url, size, bodies, connections, warmUp, seconds }` as a message, answers with the figures.
 */
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { answerWith } from '../harness/answer.mjs';
import { uniform } from '../harness/matrices.mjs';

const final = new Set(['completed', 'failed', 'cancelled', 'SUCCESS', 'FAILURE', 'REVOKED']);
/** How often the peer is asked whether a job is done: what gave it the most jobs a second of 5, 25 and 50 ms. */
const pollMs = 25;
const made = new Map();

/** Bodies made beforehand, all distinct; as text they are the same for both sides but for the wrapping. */
function bodiesOf({ side, size, bodies }) {
  const key = `${side} ${size} ${bodies}`;
  if (!made.has(key)) {
    const random = uniform(7);
    const matrix = () => Array.from({ length: size }, () => Array.from({ length: size }, random));
    const wrap = (input) => (side === 'dray' ? { type: 'matmul', input } : input);
    const body = () => Buffer.from(JSON.stringify(wrap({ a: matrix(), b: matrix() })));
    made.set(key, Array.from({ length: bodies }, body));
  }
  return made.get(key);
}

async function load(options) {
  const { side, url, connections, warmUp, seconds } = options;
  const bodies = bodiesOf(options);
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const begin = performance.now() + warmUp * 1000;
  const end = begin + seconds * 1000;
  const latencies = [];
  let next = 0;
  let bytes = 0;
  const loops = Array.from({ length: connections }, async () => {
    while (performance.now() < end) {
      const body = bodies[next++ % bodies.length];
      const start = performance.now();
      await (side === 'dray' ? dray(agent, url, body) : celery(agent, url, body));
      const finished = performance.now();
      if (finished < begin || finished > end) continue;
      latencies.push(finished - start);
      bytes += body.length;
    }
  });
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(loops);
  const used = process.cpuUsage(cpu);
  agent.destroy();
  return {
    jobsPerSecond: latencies.length / seconds,
    megabytesPerSecond: bytes / 1e6 / seconds,
    latencies,
    /** Near 1 the generator itself would be what is measured. */
    generatorBusy: (used.user + used.system) / 1000 / (performance.now() - started),
  };
}

async function dray(agent, url, body) {
  let job = await ask(agent, 'POST', `${url}/v1/jobs?wait=30s`, body);
  const at = `${url}/v1/jobs/${job.id}?wait=30s`;
  while (!final.has(job.status)) job = await ask(agent, 'GET', at);
  if (job.status !== 'completed') throw new Error(`job ${job.status}: ${JSON.stringify(job.error)}`);
  if (job.result.check.status !== 'passed') throw new Error(`not checked: ${JSON.stringify(job.result)}`);
}

async function celery(agent, url, body) {
  const { id } = await ask(agent, 'POST', `${url}/products`, body);
  for (;;) {
    const { status } = await ask(agent, 'GET', `${url}/products/${id}`);
    if (status === 'SUCCESS') return;
    if (final.has(status)) throw new Error(`job ${status}`);
    await delay(pollMs);
  }
}

function ask(agent, method, url, body) {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/json', 'content-length': body.length } : {};
    const req = http.request(url, { method, agent, headers }, (res) => {
      const parts = [];
      res.on('data', (part) => parts.push(part));
      res.once('error', reject);
      res.once('end', () => {
        const text = Buffer.concat(parts).toString();
        if (res.statusCode >= 300)
          reject(new Error(`${method} ${url}: ${res.statusCode} ${text.slice(0, 300)}`));
        else resolve(JSON.parse(text));
      });
    });
    req.once('error', reject);
    req.end(body);
  });
}

answerWith(load);
