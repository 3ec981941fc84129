/**
 * The worker process of the BullMQ peer. Arguments: the name of the queue, the port of Redis, jobs at a time, and
 * "inline" or "sandboxed": in this process, or in child processes, which is what Dray's executors are.
 *
 * Takes `{ until }` and answers `{ completed }` once so many jobs have completed since its start.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'bullmq';
import { answerWith } from '../../harness/answer.mjs';
import echo from './processor.mjs';

const [name, redisPort, concurrency, where] = process.argv.slice(2);
const processor = where === 'sandboxed' ? fileURLToPath(new URL('./processor.mjs', import.meta.url)) : echo;
const worker = new Worker(name, processor, {
  connection: { host: '127.0.0.1', port: Number(redisPort) },
  concurrency: Number(concurrency),
});
let completed = 0;
let waiting;
worker.on('completed', () => {
  completed++;
  if (completed >= waiting?.until) waiting.resolve();
});
worker.on('failed', (_job, error) => waiting?.reject(error));
worker.on('error', (error) => console.error(error));
await worker.waitUntilReady();

answerWith(async ({ until }) => {
  if (completed < until) await new Promise((resolve, reject) => (waiting = { until, resolve, reject }));
  waiting = undefined;
  return { completed };
});
