/**
 * Asks an address every 10 ms whether or not earlier answers have come, in a process of its own: how long does
 * a server that is busy with something large leave others waiting? Takes `{ url }` to begin and `{ stop: true }`
 * to end, then answers with the milliseconds of each request.
 */
import http from 'node:http';
import { clearInterval, setInterval } from 'node:timers';

const agent = new http.Agent({ keepAlive: true });
const latencies = [];
const pending = new Set();
let timer;
let failure;

function beat(url) {
  const start = performance.now();
  const done = new Promise((resolve, reject) => {
    const req = http.get(url, { agent }, (res) => {
      res.resume();
      res.once('error', reject);
      res.once('end', () => {
        if (res.statusCode !== 200) return reject(new Error(`${url} answered ${res.statusCode}`));
        latencies.push(performance.now() - start);
        resolve();
      });
    });
    req.once('error', reject);
  }).finally(() => pending.delete(done));
  pending.add(done);
  done.catch((error) => (failure ??= error));
}

process.on('message', async (message) => {
  if (message.url) {
    latencies.length = 0;
    failure = undefined;
    timer = setInterval(beat, 10, message.url);
    return;
  }
  clearInterval(timer);
  await Promise.allSettled(pending);
  process.send(failure ? { error: failure.message } : { latencies });
});
process.once('disconnect', () => process.exit());
process.send({ ready: true });
