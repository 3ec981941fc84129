/** The threads in which models run. Each has all of them; one that dies is replaced. */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { DrayError } from '../jobs/errors.js';
import type { Signature, Tensors } from './tensor.js';
import type { Answer, Question } from './thread.js';

/** Before a thread is started in the place of one that died, in ms: what kills each must not keep a core busy. */
const againMs = 1_000;

type Ask = Question extends infer Each ? (Each extends Question ? Omit<Each, 'id'> : never) : never;

interface Waiting {
  readonly resolve: (value: Signature | Tensors | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** One thread, and the questions that it has not answered. */
class Thread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #id = 0;
  #gone: string | undefined;

  constructor(onGone: (reason: string) => void) {
    this.#worker = new Worker(new URL('./thread.js', import.meta.url));
    this.#worker.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new Error(answer.error));
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

  ask(question: Ask): Promise<Signature | Tensors | undefined> {
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
  /** By key, those that each thread has or gets. */
  readonly #files = new Map<string, string>();
  #threads: Thread[] = [];
  readonly #closed = new AbortController();

  constructor(params: { size: number; clock: Clock; log: Log }) {
    this.#clock = params.clock;
    this.#log = params.log;
    for (let index = 0; index < params.size; index++) this.#threads.push(this.#start());
  }

  /** @throws Error with the reason where the file cannot be used. */
  async load(key: string, file: string): Promise<Signature> {
    this.#files.set(key, file);
    try {
      const [signature] = await Promise.all(
        this.#threads.map((thread) => thread.ask({ kind: 'load', key, file })),
      );
      if (signature === undefined) throw threadGone();
      return signature as Signature;
    } catch (error) {
      await this.unload(key);
      throw error;
    }
  }

  async unload(key: string): Promise<void> {
    this.#files.delete(key);
    await Promise.allSettled(this.#threads.map((thread) => thread.ask({ kind: 'unload', key })));
  }

  /** In the thread that has the least to do. @throws DrayError `unavailable` where the thread died. */
  async run(key: string, inputs: Tensors): Promise<Tensors> {
    const [first, ...others] = this.#threads;
    if (first === undefined) throw threadGone();
    const thread = others.reduce((least, one) => (one.pending < least.pending ? one : least), first);
    return (await thread.ask({ kind: 'run', key, inputs })) as Tensors;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #start(): Thread {
    const thread: Thread = new Thread((reason) => {
      this.#threads = this.#threads.filter((one) => one !== thread);
      if (this.#closed.signal.aborted) return;
      this.#log.warn('a thread that runs models is gone; another takes its place', { reason });
      void this.#replace().catch(() => undefined); // closed meanwhile
    });
    return thread;
  }

  async #replace(): Promise<void> {
    await this.#clock.sleep(againMs, this.#closed.signal);
    const thread = this.#start();
    const files = [...this.#files];
    await Promise.allSettled(files.map(([key, file]) => thread.ask({ kind: 'load', key, file })));
    if (this.#closed.signal.aborted) await thread.end();
    else this.#threads.push(thread);
  }
}

function threadGone(): DrayError {
  return new DrayError(
    'unavailable',
    'the thread that ran the model is gone; another one is started: try again',
  );
}
