// Loaded into a server and its executors before anything else: sets their wall clock forward or back by the
// milliseconds that stand in the file named by DRAY_FAULT_CLOCK. Time that has passed goes on as it does.
import { readFileSync } from 'node:fs';
import { setInterval } from 'node:timers';

const real = Date.now;
let offset = 0;

const read = () => {
  const text = readFileSync(process.env.DRAY_FAULT_CLOCK, 'utf8');
  if (text !== '') offset = Number(text); // empty for the moment in which it is written
};

read();
setInterval(read, 10).unref();
Date.now = () => real() + offset;
