/**
 * The threads in which models run. Each has all of them; one that dies is replaced. A load keeps its thread busy until
 * it ends, so what is loaded later is loaded beside those that run: by one thread after the other, or, where there is but
 * one, by another that takes its place.
 */
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
  /** What it has, or is to have. */
  readonly #loads = new Map<string, Promise<Signature>>();
  readonly #loaded = new Set<string>();
  readonly #failed = new Set<string>();
  #idle: (() => void)[] = [];
  #id = 0;
  #gone: string | undefined;

  constructor(script: URL, onGone: (reason: string) => void) {
    this.#worker = new Worker(script);
    this.#worker.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new DrayError(answer.code, answer.error));
      else waiting?.resolve(answer.value);
      this.#tellIdle();
    });
    let reason = 'it ended';
    this.#worker.on('error', (error) => (reason = error.message));
    this.#worker.on('exit', (code) => {
      this.#gone = `${reason} (exit code ${code})`;
      for (const keys of [this.#loads, this.#loaded, this.#failed]) keys.clear();
      for (const { reject } of this.#waiting.values()) reject(threadGone());
      this.#waiting.clear();
      this.#tellIdle();
      onGone(this.#gone);
    });
  }

  /** What it has to do. A load takes longer than any number of runs. */
  get burden(): number {
    const loads = this.#loads.size - this.#loaded.size - this.#failed.size;
    return this.#waiting.size + (loads > 0 ? 1e6 : 0);
  }

  /** Also of one that has yet to load. */
  get keys(): readonly string[] {
    return [...this.#loads.keys()].filter((key) => !this.#failed.has(key));
  }

  has(key: string): boolean {
    return this.#loaded.has(key);
  }

  /** Once, however often it is asked for. */
  load(key: string, file: string): Promise<Signature> {
    let load = this.#loads.get(key);
    if (load === undefined) {
      load = this.#load(key, file);
      this.#loads.set(key, load);
    }
    return load;
  }

  async #load(key: string, file: string): Promise<Signature> {
    try {
      await this.idle(); // what it runs would be answered after the load alone
      if (!this.#loads.has(key)) throw threadGone(); // forgotten meanwhile
      const signature = (await this.#ask({ kind: 'load', key, file })) as Signature;
      if (this.#loads.has(key)) this.#loaded.add(key);
      return signature;
    } catch (error) {
      if (this.#loads.has(key)) this.#failed.add(key);
      throw error;
    }
  }

  /** Once nothing is being loaded. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#loads.values());
  }

  /** Once it has answered everything. */
  async idle(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #tellIdle(): void {
    if (this.#waiting.size === 0) for (const tell of this.#idle.splice(0)) tell();
  }

  /** It has the model no more, but for the runs that it has begun. */
  forget(key: string): void {
    for (const keys of [this.#loads, this.#loaded, this.#failed]) keys.delete(key);
  }

  /** To be called once no run of it is left. */
  async unload(key: string): Promise<void> {
    this.forget(key);
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
  readonly #onLost: (key: string, reason: string) => void;
  readonly #size: number;
  /** By key, those that each thread has or gets. */
  readonly #models = new Map<string, { readonly file: string; loaded: boolean }>();
  #threads: Thread[] = [];
  /** Threads whose place another has taken, with what that one has not. */
  readonly #leaving = new Set<Thread>();
  /** Ends with the last load that is to keep the others running. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Runs that no thread can take now. */
  #held: Waiting[] = [];
  readonly #closed = new AbortController();

  /**
   * @param params.onLost told of a model that was loaded, and that no thread has any more nor will have.
   * @param params.script what a thread runs.
   */
  constructor(params: {
    size: number;
    clock: Clock;
    log: Log;
    onLost?: (key: string, reason: string) => void;
    script?: URL;
  }) {
    this.#clock = params.clock;
    this.#log = params.log;
    this.#onLost = params.onLost ?? (() => undefined);
    this.#script = params.script ?? new URL('./thread.js', import.meta.url);
    this.#size = params.size;
    for (let index = 0; index < params.size; index++) this.#start();
  }

  /**
   * @param options.beside true where what is loaded already must go on running meanwhile, which takes longer.
   * @throws Error with the reason where the file cannot be used; DrayError `unavailable` where no thread could try.
   */
  async load(key: string, file: string, { beside = false } = {}): Promise<Signature> {
    const model = { file, loaded: false };
    this.#models.set(key, model);
    try {
      const signature = await (beside ? this.#loadBeside(key, file) : this.#loadInAll(key, file));
      model.loaded = true;
      return signature;
    } catch (error) {
      void this.unload(key);
      throw error;
    }
  }

  #loadInAll(key: string, file: string): Promise<Signature> {
    return firstOf(this.#threads.map((thread) => thread.load(key, file)));
  }

  #loadBeside(key: string, file: string): Promise<Signature> {
    const load = this.#turn.then(() => {
      if (this.#closed.signal.aborted) throw threadGone();
      return this.#size === 1 ? this.#loadInAnother(key, file) : this.#loadInTurn(key, file);
    });
    this.#turn = load.catch(() => undefined);
    return load;
  }

  async #loadInTurn(key: string, file: string): Promise<Signature> {
    let signature: Signature | undefined;
    let failure: unknown = threadGone();
    for (const thread of this.#threads) {
      try {
        signature = await thread.load(key, file);
      } catch (error) {
        failure = error;
        if (isUnavailable(error)) continue; // what takes its place has it too
        if (signature === undefined) break; // nor could the others
        this.#log.warn('a model could not be loaded by one of its threads', { key, reason: String(error) });
      }
    }
    if (signature === undefined) throw failure;
    return signature;
  }

  async #loadInAnother(key: string, file: string): Promise<Signature> {
    const [old] = this.#threads;
    // One that takes the place of a dead one, or of an old one, may have got it with the others.
    if (old === undefined || old.keys.includes(key)) return firstOf(old ? [old.load(key, file)] : []);
    const another = this.#start();
    let signature: Signature;
    try {
      signature = await another.load(key, file);
      await another.settled();
    } catch (error) {
      if (this.#threads.includes(old)) await this.#end(another);
      throw error;
    }
    if (!this.#threads.includes(old)) return signature; // it died meanwhile
    this.#threads = this.#threads.filter((thread) => thread !== old);
    this.#leaving.add(old);
    for (const key of old.keys) if (another.has(key)) old.forget(key);
    void this.#endLeaving(old);
    return signature;
  }

  async unload(key: string): Promise<void> {
    this.#models.delete(key);
    await Promise.all(this.#all().map((thread) => this.#unloadFrom(thread, key)));
    this.#goOn();
  }

  async #unloadFrom(thread: Thread, key: string): Promise<void> {
    await thread.unload(key).catch(() => undefined); // it is gone
    await this.#endLeaving(thread);
  }

  async #endLeaving(thread: Thread): Promise<void> {
    if (!this.#leaving.has(thread) || thread.keys.length > 0) return;
    await thread.idle();
    await this.#end(thread);
  }

  /**
   * In the thread that has the least to do; where none is left, in the one that takes its place.
   * @throws DrayError `unavailable` where its thread dies, or no thread has the model or will have it.
   */
  async run(key: string, inputs: Tensors): Promise<Tensors> {
    for (;;) {
      let least: Thread | undefined;
      for (const thread of this.#all()) {
        if (thread.has(key) && (least === undefined || thread.burden < least.burden)) least = thread;
      }
      if (least !== undefined) return least.run(key, inputs);
      if (!this.#models.has(key) || this.#closed.signal.aborted) throw threadGone();
      await new Promise<unknown>((resolve, reject) => this.#held.push({ resolve, reject }));
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#goOn();
    await Promise.all(this.#all().map((thread) => thread.end()));
  }

  #all(): readonly Thread[] {
    return [...this.#threads, ...this.#leaving];
  }

  #goOn(): void {
    for (const { resolve } of this.#held.splice(0)) resolve(undefined);
  }

  #start(): Thread {
    const thread: Thread = new Thread(this.#script, (reason) => {
      const ended = !this.#all().includes(thread);
      this.#forget(thread);
      if (ended || this.#closed.signal.aborted) return;
      this.#log.warn('a thread that runs models is gone; another takes its place', { reason });
      // What waits for a thread waits for one, not for one after the other.
      for (const { reject } of this.#held.splice(0)) reject(threadGone());
      if (this.#threads.length < this.#size)
        void this.#replace().catch(() => undefined); // closed meanwhile
      else this.#tellLost(reason);
    });
    this.#threads.push(thread);
    // Of a file that was replaced, the latest is the one that is there.
    const latest = new Map([...this.#models].map(([key, { file }]) => [file, key]));
    for (const [file, key] of latest) {
      thread.load(key, file).then(
        () => this.#goOn(),
        (error: unknown) => this.#missed(key, error),
      );
    }
    this.#tellLost('its file was replaced');
    return thread;
  }

  async #end(thread: Thread): Promise<void> {
    this.#forget(thread);
    await thread.end();
  }

  #forget(thread: Thread): void {
    this.#threads = this.#threads.filter((one) => one !== thread);
    this.#leaving.delete(thread);
  }

  /** A thread cannot load what others could. */
  #missed(key: string, error: unknown): void {
    if (this.#closed.signal.aborted || isUnavailable(error) || !this.#models.get(key)?.loaded) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.warn('a model could not be loaded again', { key, reason });
    this.#tellLost(reason);
  }

  /** What was loaded once, and no thread has or gets, those to come included. */
  #tellLost(reason: string): void {
    if (this.#threads.length < this.#size) return; // the next one may get it
    const kept = new Set(this.#all().flatMap(({ keys }) => keys));
    for (const [key, { loaded }] of this.#models) {
      if (!loaded || kept.has(key)) continue;
      this.#models.delete(key);
      this.#onLost(key, reason);
    }
    this.#goOn();
  }

  async #replace(): Promise<void> {
    await this.#clock.sleep(againMs, this.#closed.signal);
    this.#start();
  }
}

/** One that could is enough: a thread that died meanwhile is replaced by one that has it too. */
async function firstOf(loads: readonly Promise<Signature>[]): Promise<Signature> {
  let reason: unknown = threadGone();
  for (const load of await Promise.allSettled(loads)) {
    if (load.status === 'fulfilled') return load.value;
    reason = load.reason;
  }
  throw reason;
}

function threadGone(): DrayError {
  return new DrayError(
    'unavailable',
    'the thread that ran the model is gone; another one is started: try again',
  );
}
