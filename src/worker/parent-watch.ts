/**
 * A thread that ends its process when the parent dies. A thread, because the main one may be deep in a
 * computation and deaf to its channel; an orphan would compute for nobody, with a lease that is long lost.
 */
import { workerData } from 'node:worker_threads';
import { systemClock } from '../clock.js';

const checkMs = 250;
const parent = workerData as number;

systemClock.every(checkMs, () => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
});
