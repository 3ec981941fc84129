/**
 * A load generator in a process of its own, which does what a web service would: submits jobs at the moments of a
 * Poisson process, whether or not earlier ones have been answered, and hears of their completion from the stream of
 * events that the queue offers.
 *
 * Takes `{ side, rate, seed, warmUp, seconds }` and what its side below takes. Answers with the times from submit to
 * completion and by how much submits were late, all in ms.
 */
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { answerWith } from '../harness/answer.mjs';
import { uniform } from '../harness/matrices.mjs';
import { Connection, postHead } from './connection.mjs';

const jobOf = (type) => ({ type, input: { to: 'someone@example.org', order: 12_345 } });
/** Far more than are needed while answers take milliseconds: a server that falls behind gets no more of them. */
const mostConnections = 256;
/** How long the last jobs may take, in ms. */
const patience = 30_000;

/** Each gives `submit()`, which resolves to the job's id, and calls `completed(id)`. */
const sides = {
  /** `{ url, type? }`: POST, and server-sent events. */
  async dray({ url, type = 'echo' }, completed) {
    const events = await listen(`${url}/v1/events?type=${type}&status=completed`, completed);
    const poster = posts(`${url}/v1/jobs`, jobOf(type));
    return { ...poster, close: () => (events.destroy(), poster.close()) };
  },

  /** `{ queue, redisPort, url? }`: POST to the service at `url`, or BullMQ's own call; and QueueEvents. */
  async bullmq({ queue: name, redisPort, url }, completed) {
    const { openEvents, openQueue } = await import('../peers/bullmq/queue.mjs');
    const events = openEvents(name, redisPort);
    await events.waitUntilReady();
    events.on('completed', ({ jobId }) => completed(jobId));
    if (url !== undefined) {
      const poster = posts(url, jobOf('echo'));
      return { ...poster, close: () => (poster.close(), events.close()) };
    }
    const queue = openQueue(name, redisPort);
    await queue.waitUntilReady();
    const { type, input } = jobOf('echo');
    return {
      submit: async () => (await queue.add(type, input)).id,
      close: async () => (await queue.close(), await events.close()),
    };
  },
};

async function load(options) {
  const { rate, seed, warmUp, seconds } = options;
  const ends = new Map();
  const endOf = (id) => {
    if (!ends.has(id)) ends.set(id, deferred());
    return ends.get(id);
  };
  const side = await sides[options.side](options, (id) => endOf(id).resolve(performance.now()));
  const late = [];
  const latencies = [];
  async function follow(counts) {
    const began = performance.now();
    // The event may come before the answer that names the job.
    const id = await side.submit();
    const ended = await endOf(id).promise;
    ends.delete(id);
    if (counts) latencies.push(ended - began);
  }

  const jobs = [];
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (const due of arrivals(rate, seed, warmUp + seconds)) {
    const wait = start + due - performance.now();
    if (wait > 0) await delay(wait);
    const counts = due >= warmUp * 1000;
    if (counts) late.push(performance.now() - start - due);
    jobs.push(follow(counts));
  }
  const used = process.cpuUsage(cpu);
  const elapsed = performance.now() - start;
  const giveUp = delay(patience, undefined, { ref: false }).then(() => {
    throw new Error(`${ends.size} of ${jobs.length} jobs have not completed within ${patience} ms`);
  });
  await Promise.race([Promise.all(jobs), giveUp]);
  await side.close();
  return { latencies, late, generatorBusy: (used.user + used.system) / 1000 / elapsed };
}

/** Moments of a Poisson process in ms, the same ones for the same seed. */
function arrivals(rate, seed, seconds) {
  const random = uniform(seed);
  const moments = [];
  for (let at = 0; ; moments.push(at)) {
    at -= (Math.log(1 - random()) / rate) * 1000;
    if (at > seconds * 1000) return moments;
  }
}

function deferred() {
  let resolve;
  const promise = new Promise((r) => (resolve = r));
  return { promise, resolve };
}

/** Posts the job on a free connection; where all are busy on a new one, or on the first that is free again. */
function posts(url, job) {
  const address = new URL(url);
  const body = Buffer.from(JSON.stringify(job));
  const head = postHead(address, body);
  const all = [];
  const free = [];
  const waiting = [];
  const connection = () => {
    if (free.length > 0) return free.pop();
    if (all.length === mostConnections) return new Promise((resolve) => waiting.push(resolve));
    all.push(new Connection(address));
    return all.at(-1);
  };
  const release = (released) => {
    const next = waiting.shift();
    if (next) next(released);
    else free.push(released);
  };
  return {
    async submit() {
      const taken = await connection();
      const { status, text } = await taken.post(head, body);
      release(taken);
      if (status !== 202) throw new Error(`${url} answered ${status}: ${text.slice(0, 300)}`);
      return JSON.parse(text).id;
    },
    close: () => all.forEach((one) => one.close()),
  };
}

/** Resolves when the stream of events has begun. */
function listen(url, completed) {
  return new Promise((resolve, reject) => {
    http
      .get(url, (events) => {
        let rest = '';
        events.setEncoding('utf8');
        events.on('data', (text) => {
          const parts = (rest + text).split('\n\n');
          rest = parts.pop();
          for (const part of parts) {
            const id = /^id: (.*):\d+$/m.exec(part)?.[1];
            if (id !== undefined) completed(id);
          }
        });
        events.once('data', () => resolve(events));
        events.once('error', reject);
      })
      .once('error', reject);
  });
}

answerWith(load);
