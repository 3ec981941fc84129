/**
 * A load generator in a process of its own: POSTs JSON bodies to one address over so many kept connections and
 * keeps the id of every job that was accepted.
 *
 * Takes a message, answers with the figures. Always `{ url, bodies, connections }`, where `bodies` is what
 * `bodiesOf` below makes, and
 * - `{ warmUp, seconds }`: each connection posts as fast as it is answered, for so long, or
 * - `{ count, spread }`: so many posts in all, begun at equal distances over so many seconds; 0 is at once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { answerWith } from '../harness/answer.mjs';
import { digitsAsJson, doublesAsJson } from '../harness/matrices.mjs';
import { Connection, postHead } from './connection.mjs';

const made = new Map();

/**
 * `{ text }` is sent as it is. `{ size, elements, different }` are two square matrices of digits or of doubles
 * under the names A and B, of which there are so many different ones, made beforehand.
 */
function bodiesOf(wanted) {
  const key = JSON.stringify(wanted);
  if (!made.has(key)) {
    made.clear();
    if (wanted.text !== undefined) made.set(key, [Buffer.from(wanted.text)]);
    else
      made.set(
        key,
        Array.from({ length: wanted.different }, (_, i) => twoMatrices(wanted, i)),
      );
  }
  return made.get(key);
}

function twoMatrices({ size, elements }, seed) {
  const rows = elements === 'digits' ? digitsAsJson : doublesAsJson;
  const matrix = (which) => [...rows({ rows: size, cols: size, seed: 2 * seed + which })];
  const text = (words) => Buffer.from(words);
  return Buffer.concat([text('{"A":'), ...matrix(1), text(',"B":'), ...matrix(2), text('}')]);
}

async function load(options) {
  const address = new URL(options.url);
  const bodies = bodiesOf(options.bodies);
  const requests = bodies.map((body) => ({ head: postHead(address, body), body }));
  const connections = Array.from({ length: options.connections }, () => new Connection(address));
  const accepted = [];
  let sent = 0;
  let bytes = 0;

  async function post(connection) {
    const { head, body } = requests[sent++ % requests.length];
    const { status, text } = await connection.post(head, body);
    if (status !== 202) throw new Error(`${address.pathname} answered ${status}: ${text.slice(0, 300)}`);
    accepted.push(JSON.parse(text).id);
    bytes += body.length;
  }

  const cpu = process.cpuUsage();
  const startedAt = Date.now();
  const started = performance.now();
  const figures = await (options.count === undefined ? asFastAsAnswered : spread)(options, connections, post);
  const ended = performance.now();
  const used = process.cpuUsage(cpu);
  for (const connection of connections) connection.close();
  return {
    ...figures,
    accepted,
    startedAt,
    seconds: (ended - started) / 1000,
    megabytesPerSecond: bytes / 1e3 / (ended - started),
    /** Near 1 the generator itself would be what is measured. */
    generatorBusy: (used.user + used.system) / 1000 / (ended - started),
  };
}

async function asFastAsAnswered({ warmUp, seconds }, connections, post) {
  const begin = performance.now() + warmUp * 1000;
  const end = begin + seconds * 1000;
  const latencies = [];
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < end) {
        const start = performance.now();
        await post(connection);
        const finished = performance.now();
        if (finished >= begin && finished <= end) latencies.push(finished - start);
      }
    }),
  );
  return { requestsPerSecond: latencies.length / seconds, latencies };
}

async function spread({ count, spread: seconds }, connections, post) {
  const start = performance.now();
  const latencies = [];
  let next = 0;
  let latest = 0;
  await Promise.all(
    connections.map(async (connection) => {
      while (next < count) {
        const due = start + (next++ / count) * seconds * 1000;
        if (due > performance.now()) await delay(due - performance.now());
        latest = Math.max(latest, performance.now() - due);
        const began = performance.now();
        await post(connection);
        latencies.push(performance.now() - began);
      }
    }),
  );
  // By how many ms a post began too late, at worst: for want of a free connection, or of time for this process.
  return { latencies, lateBy: latest };
}

answerWith(load);
