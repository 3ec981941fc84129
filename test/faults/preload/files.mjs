// Loaded into a server and its executors before anything else: files take writes in parts, and fail at random to
// take them or to make them durable, at the rates in the file named by DRAY_FAULT_FILES. SQLite, which does not write
// through node:fs, is left alone.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { setInterval } from 'node:timers';

let rates = {};
const read = () => {
  const text = fs.readFileSync(process.env.DRAY_FAULT_FILES, 'utf8');
  if (text !== '') rates = JSON.parse(text); // empty for the moment in which it is written
};
read();
setInterval(read, 10).unref();

const strikes = (kind) => Math.random() < (rates[kind] ?? 0);

function failure(call) {
  const code = strikes('full') ? 'ENOSPC' : 'EIO';
  return Object.assign(new Error(`${code}: injected, ${call}`), { code, syscall: call });
}

/** Puts a function in the place of one of node:fs, under the properties that promisify looks for. */
function replace(name, make) {
  const original = fs[name];
  fs[name] = Object.defineProperties(make(original), Object.getOwnPropertyDescriptors(original));
}

/** Standard output and error are no files. */
const spared = (file) => file <= 2;
const part = (length) => Math.max(1, Math.floor(length / 2));

for (const name of ['fsync', 'fdatasync']) {
  replace(name, (original) => (file, done) => {
    if (strikes(name)) process.nextTick(done, failure(name));
    else original(file, done);
  });
}
replace('write', (original) => (file, bytes, ...rest) => {
  const done = rest.at(-1);
  if (spared(file) || typeof bytes === 'string') return original(file, bytes, ...rest);
  if (strikes('write')) return process.nextTick(done, failure('write'));
  const [offset = 0, length = bytes.length - offset, position = null] = rest.slice(0, -1);
  return original(file, bytes, offset, strikes('short') ? part(length) : length, position, done);
});
replace('writeSync', (original) => (file, bytes, offset = 0, ...rest) => {
  if (spared(file) || typeof bytes === 'string') return original(file, bytes, offset, ...rest);
  if (strikes('write')) throw failure('write');
  const length = rest[0] ?? bytes.length - offset;
  return original(file, bytes, offset, strikes('short') ? part(length) : length, rest[1] ?? null);
});
replace('read', (original) => (file, bytes, ...rest) => {
  const [offset, length, position, done] = rest;
  if (typeof done !== 'function') return original(file, bytes, ...rest);
  return original(file, bytes, offset, strikes('short') ? part(length) : length, position, done);
});
syncBuiltinESMExports();
