// In the place of src/models/thread.ts: it needs no runtime, and dies of the input that says so. A file named `refused`
// beside a model's keeps it from being loaded, one named `slow` keeps the thread busy with it for as long as it is there.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers';
import { parentPort } from 'node:worker_threads';

const loaded = new Set();
const info = { name: 'x', type: 'string', shape: [-1] };
const isBeside = (file, name) => existsSync(join(dirname(file), name));

parentPort.on('message', ({ id, kind, key, file, inputs }) => {
  if (kind === 'run') {
    const [word] = inputs.x.data;
    if (word === 'throw') throw new Error('as it was told');
    if (word === 'exit') process.exit(7);
    if (word === 'wait') return;
    // Later, as the runtime does it: what is asked meanwhile comes before.
    setImmediate(() => {
      if (!loaded.has(key)) throw new Error(`${key} is not loaded`);
      parentPort.postMessage({ id, value: inputs });
    });
    return;
  }
  if (kind === 'load') {
    while (isBeside(file, 'slow')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    if (file === 'damaged' || isBeside(file, 'refused')) {
      parentPort.postMessage({ id, error: 'it is damaged', code: 'internal' });
      return;
    }
    loaded.add(key);
  } else {
    loaded.delete(key);
  }
  parentPort.postMessage({ id, value: { inputs: [info], outputs: [info] } });
});
