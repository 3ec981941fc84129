/** The thread that owns the database, and does nothing else: the main thread never waits for a disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase } from './database.js';
import { expireLeases } from './operations.js';
import type { FromThread, ThreadData, ToThread } from './protocol.js';
import { prepareStatements } from './statements.js';
import { createStore, runBatch, storeError } from './transaction.js';

const port = parentPort;
if (port === null) throw new Error('thread.js is started by the engine, not by hand');
const send = (message: FromThread): void => port.postMessage(message);

try {
  const { file, now } = workerData as ThreadData;
  const db = openDatabase(file);
  const statements = prepareStatements(db);
  // Workers live in the owner process, so a lease found here belongs to a process that is dead.
  expireLeases(statements, { upTo: Number.MAX_VALUE, now });
  const store = createStore(db, statements);
  port.on('message', (message: ToThread) => {
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
