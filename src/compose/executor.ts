/** The program of an executor: a child process of the worker, given its configuration as its one argument. */
import { Worker } from 'node:worker_threads';
import { systemClock } from '../clock.js';
import type { BlobsPlace } from '../config/blobs-address.js';
import type { FromExecutor, ToExecutor } from '../worker/protocol.js';
import { serveExecutor } from '../worker/executor-program.js';
import { openBlobs } from './blobs.js';
import { knownTasks, type TaskConfig } from './tasks.js';

export interface ExecutorConfig extends TaskConfig {
  readonly parent: number;
  /** What it takes to get in is in its environment. */
  readonly blobs: BlobsPlace;
  /** Its name as a writer of blobs. */
  readonly writer: string;
  readonly memoryLimit: number;
}

const config = JSON.parse(process.argv[2]!) as ExecutorConfig;

// The server died while this process started, and its successor has cleared the folder already.
if (process.ppid !== config.parent) process.exit(0);
process.title = 'dray executor';
new Worker(new URL('../worker/parent-watch.js', import.meta.url), { workerData: config.parent });
process.once('disconnect', () => process.exit(0));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined); // the worker decides

/** A server that restarts must not cost the work of an hour. */
const patienceMs = 60_000;

const early: ToExecutor[] = [];
let listener = (message: ToExecutor): void => void early.push(message);
process.on('message', (message) => listener(message as ToExecutor));

const host = {
  tasks: await knownTasks(config, config.blobs),
  blobs: await openBlobs(config.blobs, { writer: config.writer, clock: systemClock, patienceMs }),
  clock: systemClock,
  memoryLimit: config.memoryLimit,
};
serveExecutor(host, {
  onMessage: (serve) => {
    listener = serve;
    early.forEach(serve);
  },
  send: (message: FromExecutor) => void process.send?.(message),
});
