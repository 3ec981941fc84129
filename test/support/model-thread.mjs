// In the place of src/models/thread.ts: it needs no runtime, and dies of the input that says so.
import { parentPort } from 'node:worker_threads';

const loaded = new Set();
parentPort.on('message', ({ id, kind, key, file, inputs }) => {
  if (kind === 'run') {
    if (!loaded.has(key)) throw new Error(`${key} was never loaded`);
    const [word] = inputs.x.data;
    if (word === 'throw') throw new Error('as it was told');
    if (word === 'exit') process.exit(7);
    if (word !== 'wait') parentPort.postMessage({ id, value: inputs });
    return;
  }
  if (file === 'damaged') {
    parentPort.postMessage({ id, error: 'it is damaged', code: 'internal' });
    return;
  }
  if (kind === 'load') loaded.add(key);
  else loaded.delete(key);
  parentPort.postMessage({ id, value: { inputs: [], outputs: [] } });
});
