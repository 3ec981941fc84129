/** Clients that hardly read, or do not read at all, cost the server no memory, and the others no answer. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { MiB } from '../../src/jobs/limits.js';
import { ended, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { fault, type Drill } from './fault.js';
import { MemoryWatch } from './memory-watch.js';
import { submitLatency } from './submit-latency.js';

/** Far less than what all the readers together ask for. */
const mostMiB = 160;
const readers = 8;
/** What one of them reads at a time, in bytes, and how often, in ms. */
const mouthful = 1_024;
const everyMs = 200;

fault('slow-reader', 'memory is bounded and others are served while clients hardly read', async (drill) => {
  const { random, quick } = drill;
  const data = await drill.folder();
  const server = await drill.server({ data, args: ['--max-executors', '2', '--log-level', 'error'] });
  // The outer product of two vectors: a large result that takes no time to compute.
  const side = quick ? 3_000 : 11_585;
  const { id } = await submit(server.url, 'matmul', {
    a: { random: { rows: side, cols: 1, seed: random.between(0, 1e9) } },
    b: { random: { rows: 1, cols: side, seed: 2 } },
  });
  expect(await ended(server.url, id)).toMatchObject({ status: 'completed' });
  const result = `${server.url}/v1/jobs/${id}/result`;
  drill.say(
    `a result of ${Math.round((8 * side * side) / MiB)} MiB; without readers ${await calm(server.url, drill)}`,
  );

  const memory = new MemoryWatch(server.pid);
  drill.after(() => memory.end());
  const slow: IncomingMessage[] = [];
  for (let index = 0; index < readers; index++) {
    const response = await open(result, index % 2 === 0 ? 'application/x-npy' : 'application/json');
    drill.after(() => response.destroy());
    drill.after(systemClock.every(everyMs, () => void response.read(mouthful)));
    slow.push(response);
  }
  for (let index = 0; index < readers; index++) {
    const deaf = await open(`${server.url}/v1/events`, 'text/event-stream');
    drill.after(() => deaf.destroy());
  }
  const during = await calm(server.url, drill);
  drill.say(
    `${readers} slow readers and ${readers} that read no event: ${during}, ${memory.grownMiB} MiB more`,
  );
  expect(memory.grownMiB).toBeLessThan(mostMiB);

  // One that reads at last gets all of it.
  const whole = await digestOf(await open(result, 'application/x-npy'));
  const first = slow[0]!;
  expect(first.headers.etag).toBe(`"${whole}"`);
  for (const response of slow) response.destroy();
  await eventually(
    () => openBlobs(server.pid),
    (files) => files === 0,
  );
  expect(memory.grownMiB).toBeLessThan(mostMiB);
  drill.say(`the result reads whole, and all files are closed; ${memory.grownMiB} MiB more at the most`);
});

/** Submits that are answered and run meanwhile. */
function calm(url: string, { quick }: Drill): Promise<string> {
  return submitLatency(url, quick ? 200 : 5_000).then((figures) => `submits take ${figures}`);
}

/** A response of which nothing is read yet. */
async function open(url: string, accept: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { agent: false, headers: { accept } }), 'response')) as [
    IncomingMessage,
  ];
  expect(response.statusCode).toBe(200);
  response.pause();
  response.on('error', () => undefined); // it is destroyed in the end
  return response;
}

async function digestOf(response: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of response) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** How many blobs a process has open. */
function openBlobs(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  const targets = readdirSync(folder).map((name) => {
    try {
      return readlinkSync(`${folder}/${name}`);
    } catch {
      return ''; // closed meanwhile
    }
  });
  return targets.filter((target) => target.includes('/blobs/')).length;
}
