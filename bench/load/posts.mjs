/**
 * A load generator in a process of its own: POSTs JSON bodies to one address over so many kept connections and
 * keeps the id of every job that was accepted. It speaks HTTP by itself, on sockets: a client library would take
 * more of the machine than the servers that are measured on it.
 *
 * Takes a message, answers with the figures. Always `{ url, bodies, connections }`, where `bodies` is what
 * `bodiesOf` below makes, and
 * - `{ warmUp, seconds }`: each connection posts as fast as it is answered, for so long, or
 * - `{ count, spread }`: so many posts in all, begun at equal distances over so many seconds; 0 is at once.
 */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { digitsAsJson, doublesAsJson } from '../harness/matrices.mjs';

const endOfHead = Buffer.from('\r\n\r\n');
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

/** One kept connection, one request at a time. */
class Connection {
  #socket;
  #parts = [];
  #length = 0;
  #answered;

  constructor({ hostname, port }) {
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on('data', (part) => this.#read(part));
    this.#socket.on('error', (error) => this.#answered?.reject(error));
    this.#socket.on('close', () => this.#answered?.reject(new Error('the server closed a connection')));
  }

  post(head, body) {
    return new Promise((resolve, reject) => {
      this.#answered = { resolve, reject };
      this.#socket.cork();
      this.#socket.write(head);
      this.#socket.write(body);
      this.#socket.uncork();
    });
  }

  close() {
    this.#answered = undefined;
    this.#socket.destroy();
  }

  #read(part) {
    this.#parts.push(part);
    this.#length += part.length;
    const bytes = this.#parts.length === 1 ? part : Buffer.concat(this.#parts);
    const end = bytes.indexOf(endOfHead);
    if (end < 0) return;
    const head = bytes.latin1Slice(0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.#answered.reject(new Error(`an answer without length: ${head}`));
    if (this.#length < end + 4 + Number(length)) return;
    const { resolve } = this.#answered;
    this.#parts = [];
    this.#length = 0;
    resolve({ status: Number(head.slice(9, 12)), text: bytes.toString('utf8', end + 4) });
  }
}

async function load(options) {
  const address = new URL(options.url);
  const bodies = bodiesOf(options.bodies);
  const requests = bodies.map((body) => ({
    head: Buffer.from(
      `POST ${address.pathname} HTTP/1.1\r\nhost: ${address.host}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
    ),
    body,
  }));
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

process.on('message', (options) => {
  load(options).then(
    (figures) => process.send(figures),
    (error) => process.send({ error: error.stack }),
  );
});
process.once('disconnect', () => process.exit());
process.send({ ready: true });
