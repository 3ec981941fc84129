/** A thousand clients follow jobs by server-sent events: each learns how its job ended. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { expect } from 'vitest';
import { act, read, submit, type Job } from '../support/api.js';
import { fault, type Drill } from './fault.js';
import { MemoryWatch } from './memory-watch.js';
import { submitLatency } from './submit-latency.js';

/** For 1,000 streams: some 200 KiB each. */
const mostMiB = 200;

fault('listeners', 'each of 1,000 listeners sees the final state of what it follows', async (drill) => {
  const { random, quick } = drill;
  const [listeners, jobs] = quick ? [100, 60] : [1_000, 600];
  const data = await drill.folder();
  const server = await drill.server({
    data,
    args: ['--min-executors', '2', '--max-executors', '2', '--log-level', 'error'],
  });
  const { url } = server;
  const samples = quick ? 50 : 1_000;
  drill.say(`without listeners submits take ${await submitLatency(url, samples)}`);

  await fetch(`${url}/v1/queues/sleep/pause`, { method: 'POST' });
  const ids: string[] = [];
  for (let index = 0; index < jobs; index++) ids.push((await submitAny(url, drill)).id);
  const memory = new MemoryWatch(server.pid);
  drill.after(() => memory.end());
  const followed = Array.from({ length: listeners }, () => random.pick(ids));
  const streams = await Promise.all(
    followed.map(async (id) => {
      const response = await open(`${url}/v1/jobs/${id}/events`);
      drill.after(() => response.destroy());
      return { id, events: collect(response) };
    }),
  );
  const everything = await open(`${url}/v1/events`);
  drill.after(() => everything.destroy());
  let seen = 0;
  everything.on('data', (chunk: Buffer) => (seen += chunk.length));

  await fetch(`${url}/v1/queues/sleep/resume`, { method: 'POST' });
  const latency = submitLatency(url, samples);
  for (const id of ids) if (random.chance(0.1)) await act(url, id, 'cancel');
  drill.say(`with ${listeners} listeners, while the jobs run, submits take ${await latency}`);

  for (const { id, events } of streams) {
    const versions = await events;
    const { status, version } = await read(url, id);
    expect(['completed', 'failed', 'cancelled']).toContain(status);
    expect(versions.at(-1)).toEqual({ id, status, version });
    const numbers = versions.map((event) => event.version);
    // The same version comes again where only the progress has changed.
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  }
  expect(seen).toBeGreaterThan(0);
  expect(memory.grownMiB).toBeLessThan(mostMiB);
  drill.say(`all ${listeners} saw the end; the server took ${memory.grownMiB} MiB more at the most`);
});

function submitAny(url: string, { random }: Drill): Promise<Job> {
  const seconds = random.next() / 20;
  const input = random.pick([
    { seconds },
    { seconds },
    { seconds, failTimes: 1 },
    { seconds, failWith: 'permanent' },
  ]);
  return submit(url, 'sleep', input, { retry: { baseMs: 1, capMs: 100 } });
}

async function open(url: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  return response;
}

interface Seen {
  readonly id: string;
  readonly status: string;
  readonly version: number;
}

/** What a stream says until the server ends it. */
async function collect(response: IncomingMessage): Promise<Seen[]> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk as string;
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => {
    const { id, status, version } = JSON.parse(data!) as Seen;
    return { id, status, version };
  });
}
