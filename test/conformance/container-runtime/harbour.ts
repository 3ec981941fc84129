/** What the parts of the suite of container runtimes share: the runtime, its containers, and what became of them. */
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import type {
  ContainerEnd,
  ContainerRuntime,
  ContainerSpec,
  ContainerState,
} from '../../../src/tasks/container/runtime.js';

export interface RuntimeUnderTest {
  /** Another one on the same machine or cluster, as another process would have it. */
  open(owner: string): Promise<ContainerRuntime>;
  /**
   * Of an image that is there, whose entrypoint is `["/bin/sh", "-c", "eval \"$SCRIPT\""]`, and that has cat,
   * head, sleep and tr.
   */
  readonly image: string;
  /** Of an image that cannot be had; the runtime is opened so that it says so within a minute. */
  readonly absentImage: string;
  /** Where logs are kept as text: bytes that are no UTF-8 are then read as U+FFFD. */
  readonly logsAreText?: boolean;
  /** Removes a container as somebody else would, without the runtime. */
  destroy(name: string): Promise<void>;
  cleanup(): Promise<void>;
}

/** Runs until it is told to stop, and stops at once. */
export const forever = "trap 'exit 143' TERM; sleep 3600 & wait";
export const megabyte = 1024 * 1024;

/** A container that was started, its states as they are told, and its end. */
export interface Voyage {
  readonly spec: ContainerSpec;
  readonly name: string;
  readonly states: readonly ContainerState[];
  readonly end: Promise<ContainerEnd>;
  /** Resolves once it runs; rejects where it ends before that. */
  readonly running: Promise<void>;
}

export class Harbour {
  #made: RuntimeUnderTest | undefined;
  #runtime: ContainerRuntime | undefined;
  readonly #opened: ContainerRuntime[] = [];
  readonly #started = new Set<string>();
  #over = new AbortController();
  readonly owner = systemClock.token().slice(0, 16);

  constructor(factory: () => Promise<RuntimeUnderTest>) {
    beforeAll(async () => {
      this.#made = await factory();
      this.#runtime = await this.open();
    });
    beforeEach(() => {
      this.#over = new AbortController();
    });
    afterEach(async () => {
      this.#over.abort(new Error('the test is over'));
      const left = [...this.#started];
      this.#started.clear();
      await Promise.all(left.map((jobId) => this.runtime.remove({ jobId })));
    });
    afterAll(async () => {
      await Promise.all(this.#opened.map((runtime) => runtime.close()));
      await this.#made?.cleanup();
    });
  }

  get made(): RuntimeUnderTest {
    if (!this.#made) throw new Error('there is no runtime before the first test');
    return this.#made;
  }

  get runtime(): ContainerRuntime {
    if (!this.#runtime) throw new Error('there is no runtime before the first test');
    return this.#runtime;
  }

  /** Aborts when the test ends. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Another process's, by default of the same deployment. */
  async open(owner: string = this.owner): Promise<ContainerRuntime> {
    const runtime = await this.made.open(owner);
    this.#opened.push(runtime);
    return runtime;
  }

  spec(script: string, given: Partial<ContainerSpec> = {}): ContainerSpec {
    const { env, ...rest } = given;
    return {
      jobId: systemClock.id(),
      name: 'conformance',
      image: this.made.image,
      env: { SCRIPT: script, ...env },
      timeoutMs: 100_000,
      cpus: 0.25,
      memory: 64 * megabyte,
      ...rest,
    };
  }

  /** Starts it, by the suite's runtime or another one; it is removed after the test. */
  async start(
    spec: ContainerSpec,
    runtime: ContainerRuntime = this.runtime,
  ): Promise<{ readonly name: string; readonly adopted: boolean }> {
    this.#started.add(spec.jobId);
    return runtime.start(spec);
  }

  /** Waits for a container that was started. */
  watch(jobId: string, runtime: ContainerRuntime = this.runtime): Omit<Voyage, 'spec' | 'name'> {
    const states: ContainerState[] = [];
    let told = (): void => undefined;
    const runs = new Promise<void>((resolve) => (told = resolve));
    const end = runtime.wait({
      jobId,
      signal: this.over,
      onState: (state) => {
        states.push(state);
        if (state === 'running') told();
      },
    });
    const ended = end.then(({ reason, message }) => {
      if (!states.includes('running')) throw new Error(`it never ran: ${reason}, ${message}`);
    });
    const running = Promise.race([runs, ended]);
    // A test need not ask for either.
    for (const unasked of [end, running]) unasked.catch(() => undefined);
    return { states, end, running };
  }

  async run(script: string, given: Partial<ContainerSpec> = {}): Promise<Voyage> {
    const spec = this.spec(script, given);
    const { name } = await this.start(spec);
    return { spec, name, ...this.watch(spec.jobId) };
  }

  /** All that it prints until its end. */
  async printed(jobId: string, runtime: ContainerRuntime = this.runtime): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of runtime.logs({ jobId, signal: this.over })) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Reads on until a text has been printed; the stream stays open. */
  async printedUntil(log: AsyncIterator<Uint8Array>, text: string): Promise<string> {
    let printed = '';
    while (!printed.includes(text)) {
      const next = await log.next();
      if (next.done) throw new Error(`the log ended with ${JSON.stringify(printed)}`);
      printed += Buffer.from(next.value).toString();
    }
    return printed;
  }

  async listed(
    jobId: string,
    runtime: ContainerRuntime = this.runtime,
  ): Promise<{ readonly jobId: string; readonly running: boolean } | undefined> {
    return (await runtime.list()).find((one) => one.jobId === jobId);
  }
}
