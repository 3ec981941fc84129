/** The main thread's end of the thread that owns the database. */
import { Worker } from 'node:worker_threads';
import { DrayError } from '../../jobs/errors.js';
import {
  read,
  write,
  type Batch,
  type FromThread,
  type Reply,
  type ThreadData,
  type ToThread,
} from './protocol.js';

/**
 * Node 20 starts threads from JavaScript only. Where this module runs from its TypeScript source, as under the
 * test runner, the thread is the compiled one of the last build.
 */
const entry = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/engine/sqlite/thread.js' : './thread.js',
  import.meta.url,
);

export class StoreThread {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #closing = false;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once('exit', () => resolve()));
  }

  /** @throws DrayError where the database cannot be opened; the thread is gone then. */
  static async open(data: ThreadData): Promise<StoreThread> {
    const worker = new Worker(entry, { workerData: data, execArgv: [] });
    const thread = new StoreThread(worker);
    const first = await new Promise<FromThread>((resolve, reject) => {
      worker.once('message', (text: string) => resolve(read(text) as FromThread));
      worker.once('error', reject);
    });
    if (first.kind !== 'refused') return thread;
    await thread.close();
    throw new DrayError(first.error.code, first.error.detail);
  }

  post(batch: Batch): void {
    this.#send({ kind: 'batch', batch });
  }

  /** `onGone` is called once, where the thread ends without having been asked to. */
  listen(on: { onReply: (reply: Reply) => void; onGone: (error: DrayError) => void }): void {
    this.#worker.on('message', (text: string) => {
      const message = read(text) as FromThread;
      if (message.kind === 'reply') on.onReply(message.reply);
    });
    let cause: unknown;
    this.#worker.on('error', (error) => (cause = error));
    void this.#exited.then(() => {
      if (this.#closing) return;
      on.onGone(
        new DrayError('unavailable', 'The job store has stopped working. Restart the server.', { cause }),
      );
    });
  }

  /** Closes the database and resolves when the file is free for the next owner. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#send({ kind: 'close' });
    await this.#exited;
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(write(message));
  }
}
