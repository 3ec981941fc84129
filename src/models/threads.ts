/** The threads in which models run. Each has all of them; one that dies is replaced. */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { DrayError, isUnavailable } from '../jobs/errors.js';
import type { Signature, Tensors } from './tensor.js';
import type { Answer, Question } from './thread.js';

/** Before a thread is started in the place of one that died, in ms: what kills each must not keep a core busy. */
const againMs = 1_000;

type Ask = Question extends infer Each ? (Each extends Question ? Omit<Each, 'id'> : never) : never;

interface Waiting {
  readonly resolve: (value: Signature | Tensors | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** One thread, what it has loaded, and the questions that it has not answered. */
class Thread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #loaded = new Set<string>();
  #id = 0;
  #gone: string | undefined;

  constructor(script: URL, onGone: (reason: string) => void) {
    this.#worker = new Worker(script);
    this.#worker.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new DrayError(answer.code, answer.error));
      else waiting?.resolve(answer.value);
    });
    let reason = 'it ended';
    this.#worker.on('error', (error) => (reason = error.message));
    this.#worker.on('exit', (code) => {
      this.#gone = `${reason} (exit code ${code})`;
      for (const { reject } of this.#waiting.values()) reject(threadGone());
      this.#waiting.clear();
      onGone(this.#gone);
    });
  }

  get pending(): number {
    return this.#waiting.size;
  }

  has(key: string): boolean {
    return this.#loaded.has(key);
  }

  async load(key: string, file: string): Promise<Signature> {
    const signature = (await this.#ask({ kind: 'load', key, file })) as Signature;
    this.#loaded.add(key);
    return signature;
  }

  async unload(key: string): Promise<void> {
    this.#loaded.delete(key);
    await this.#ask({ kind: 'unload', key });
  }

  async run(key: string, inputs: Tensors): Promise<Tensors> {
    return (await this.#ask({ kind: 'run', key, inputs })) as Tensors;
  }

  #ask(question: Ask): Promise<Signature | Tensors | undefined> {
    if (this.#gone !== undefined) return Promise.reject(threadGone());
    const id = this.#id++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...question, id });
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

export class Threads {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #script: URL;
  /** By key, those that each thread has or gets. */
  readonly #files = new Map<string, string>();
  #threads: Thread[] = [];
  readonly #closed = new AbortController();

  /** @param params.script what a thread runs. */
  constructor(params: { size: number; clock: Clock; log: Log; script?: URL }) {
    this.#clock = params.clock;
    this.#log = params.log;
    this.#script = params.script ?? new URL('./thread.js', import.meta.url);
    for (let index = 0; index < params.size; index++) this.#start();
  }

  /** @throws Error with the reason where the file cannot be used; DrayError `unavailable` where no thread could try. */
  async load(key: string, file: string): Promise<Signature> {
    this.#files.set(key, file);
    const loads = await Promise.allSettled(this.#threads.map((thread) => thread.load(key, file)));
    let reason: unknown = threadGone();
    for (const load of loads) {
      // A thread that died meanwhile is replaced by one that has it too.
      if (load.status === 'fulfilled') return load.value;
      reason = load.reason;
    }
    this.#files.delete(key);
    throw reason;
  }

  async unload(key: string): Promise<void> {
    this.#files.delete(key);
    await Promise.allSettled(this.#threads.map((thread) => thread.unload(key)));
  }

  /** In the thread that has the least to do. @throws DrayError `unavailable` where it dies, or none has the model. */
  async run(key: string, inputs: Tensors): Promise<Tensors> {
    let least: Thread | undefined;
    for (const thread of this.#threads) {
      if (thread.has(key) && (least === undefined || thread.pending < least.pending)) least = thread;
    }
    if (least === undefined) throw threadGone();
    return least.run(key, inputs);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #start(): void {
    const thread: Thread = new Thread(this.#script, (reason) => {
      this.#threads = this.#threads.filter((one) => one !== thread);
      if (this.#closed.signal.aborted) return;
      this.#log.warn('a thread that runs models is gone; another takes its place', { reason });
      void this.#replace().catch(() => undefined); // closed meanwhile
    });
    this.#threads.push(thread);
    for (const [key, file] of this.#files) {
      thread.load(key, file).catch((error: unknown) => {
        if (!this.#closed.signal.aborted && !isUnavailable(error))
          this.#log.warn('a model could not be loaded again', { key, reason: String(error) });
      });
    }
  }

  async #replace(): Promise<void> {
    await this.#clock.sleep(againMs, this.#closed.signal);
    this.#start();
  }
}

function threadGone(): DrayError {
  return new DrayError(
    'unavailable',
    'the thread that ran the model is gone; another one is started: try again',
  );
}
