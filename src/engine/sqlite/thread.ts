/** The thread that owns the database, and does nothing else: the main thread never waits for a disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { DrayError } from '../../jobs/errors.js';
import { openDatabase } from './database.js';
import { read, write, type FromThread, type ThreadData, type ToThread } from './protocol.js';
import { prepareStatements } from './statements.js';
import { createStore, runBatch, storeError } from './transaction.js';

const port = parentPort;
if (port === null) throw new Error('thread.js is started by the engine, not by hand');
const send = (message: FromThread): void => port.postMessage(write(message));

try {
  const { file, now } = workerData as ThreadData;
  const db = openDatabase(file);
  const store = createStore(db, prepareStatements(db));
  // Workers live in the owner process, so a lease found here belongs to a process that is dead: all have run out.
  const atOpen = { now, monotonic: Number.MAX_VALUE };
  const [answer] = runBatch(store, { at: atOpen, requests: [{ op: 'maintain', params: {} }] }).answers;
  if (answer?.ok === false) throw new DrayError(answer.error.code, answer.error.detail);
  port.on('message', (text: string) => {
    const message = read(text) as ToThread;
    if (message.kind === 'batch') {
      send({ kind: 'reply', reply: runBatch(store, message.batch) });
    } else {
      db.close();
      port.close();
    }
  });
  send({ kind: 'open' });
} catch (error) {
  send({ kind: 'refused', error: storeError(error) });
}
