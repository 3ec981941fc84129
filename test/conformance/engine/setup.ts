/** What the parts of the engine's suite share: an engine to test, and jobs brought into a given state. */
import { afterAll, beforeAll, expect } from 'vitest';
import type { Engine, Failure, Job, Lease, NewJob, TypeCounts } from '../../../src/engine/engine.js';
import { defaultRetry } from '../../../src/jobs/retry.js';
import type { Status } from '../../../src/jobs/life-cycle.js';
import { ManualClock } from '../../support/manual-clock.js';

export interface EngineUnderTest {
  readonly engine: Engine;
  /** True where the hand-out is a queue: a job that comes back, or gets a place of its key, goes to its end. */
  readonly queues?: boolean;
  /** Resolves when the claims that wait have been looked at; where it is not given, a ping says so. */
  looked?(): Promise<void>;
  /** Ends the engine and opens its store again, where the store outlives the process. */
  reopen?(): Promise<Engine>;
  cleanup(): Promise<void>;
}

/** Makes an empty store whose time is that of `clock`. */
export type EngineFactory = (clock: ManualClock) => Promise<EngineUnderTest>;

export const minute = 60_000;
/** Ends a claim that is never answered before the test's own limit does, so that the test says what was missing. */
const patienceMs = 20_000;
export const boom: Failure = { code: 'task-failed', message: 'boom', permanent: false };

/** The ids of jobs or of leased jobs, in their order. */
export function idsOf(of: readonly (Job | Lease)[]): string[] {
  return of.map((one) => ('job' in one ? one.job.id : one.id));
}

export class Bench {
  readonly clock = new ManualClock();
  #made: EngineUnderTest | undefined;
  #engine: Engine | undefined;

  /** An engine for all tests of a `describe`: they keep apart by giving their jobs types of their own. */
  constructor(factory?: EngineFactory) {
    if (!factory) return;
    beforeAll(() => this.#open(factory));
    afterAll(() => this.close());
  }

  /** Runs a test with an engine of its own: for what concerns all jobs of a store, or its next owner. */
  static async alone(factory: EngineFactory, run: (bench: Bench) => Promise<void>): Promise<void> {
    const bench = await Bench.open(factory);
    try {
      await run(bench);
    } finally {
      await bench.close();
    }
  }

  /** For those that close it themselves. */
  static async open(factory: EngineFactory): Promise<Bench> {
    const bench = new Bench();
    await bench.#open(factory);
    return bench;
  }

  async close(): Promise<void> {
    await this.#made?.cleanup();
  }

  /** What was sent before the ping is looked at before it is answered. */
  async #looked(): Promise<void> {
    await (this.#made?.looked?.() ?? this.engine.ping());
  }

  async #open(factory: EngineFactory): Promise<void> {
    this.#made = await factory(this.clock);
    this.#engine = this.#made.engine;
  }

  get engine(): Engine {
    if (!this.#engine) throw new Error('there is no engine before the first test');
    return this.#engine;
  }

  /** Ends the engine and opens its store again, where the store outlives the process; else all stays as it is. */
  async reopen(): Promise<void> {
    if (this.#made?.reopen) this.#engine = await this.#made.reopen();
  }

  get queues(): boolean {
    return this.#made?.queues === true;
  }

  newType(): string {
    return `type-${this.clock.token()}`;
  }

  newJob(given: Partial<NewJob> = {}): NewJob {
    return {
      id: this.clock.id(),
      type: this.newType(),
      input: { inline: { text: 'hello' } },
      retry: defaultRetry,
      timeoutMs: minute,
      work: 1,
      priority: 'normal',
      labels: {},
      blobs: [],
      ...given,
    };
  }

  async submit(given: Partial<NewJob> = {}): Promise<Job> {
    const [job] = await this.submitMany(1, given);
    return job!;
  }

  async submitMany(count: number, given: Partial<NewJob> = {}): Promise<readonly Job[]> {
    const jobs = Array.from({ length: count }, () => this.newJob(given));
    const answer = await this.engine.submit({ jobs });
    if (answer.kind !== 'stored') throw new Error(`the submit was a ${answer.kind} one`);
    return answer.jobs;
  }

  /** Leases at least one job: for tests that know there is one. Gives up where an engine hands out nothing. */
  claim(given: {
    types: readonly string[];
    max?: number;
    ahead?: number;
    leaseMs?: number;
    worker?: string;
  }) {
    const signal = AbortSignal.timeout(patienceMs);
    return this.engine.claim({ worker: 'worker-1', max: 1, leaseMs: minute, signal, ...given });
  }

  /** Leases whatever there is right now, which may be nothing. */
  async claimNow(given: {
    types: readonly string[];
    max?: number;
    leaseMs?: number;
  }): Promise<readonly Lease[]> {
    const aborter = new AbortController();
    const leases = this.engine.claim({
      worker: 'worker-1',
      max: 1,
      leaseMs: minute,
      signal: aborter.signal,
      ...given,
    });
    await this.#looked();
    aborter.abort();
    return leases;
  }

  /** A claim that has been looked at and waits, and what ends it. It gives up where nothing wakes it. */
  async waiting(types: readonly string[]): Promise<{ leases: Promise<readonly Lease[]>; abort: () => void }> {
    const aborter = new AbortController();
    const leases = this.engine.claim({
      worker: 'waiting',
      types,
      max: 1,
      leaseMs: minute,
      signal: AbortSignal.any([aborter.signal, AbortSignal.timeout(patienceMs)]),
    });
    await this.#looked();
    return { leases, abort: () => aborter.abort() };
  }

  async complete({ job, token }: Lease): Promise<void> {
    expect(await this.engine.complete({ id: job.id, token, result: { inline: null } })).toBe('applied');
  }

  /** What there is of a type, which must have had a job. */
  async counts(type: string): Promise<TypeCounts> {
    const found = (await this.engine.counts()).find((counts) => counts.type === type);
    if (!found) throw new Error(`nothing is counted of ${type}`);
    return found;
  }

  async lease(given: Partial<NewJob> & { leaseMs?: number } = {}): Promise<Lease> {
    const { leaseMs = minute, ...job } = given;
    const { type } = await this.submit(job);
    const [lease] = await this.claim({ types: [type], leaseMs });
    return lease!;
  }

  async job(id: string): Promise<Job> {
    const job = await this.engine.get({ id });
    if (!job) throw new Error(`job ${id} is not there`);
    return job;
  }

  /**
   * Brings a job into a status. The token is that of its current attempt, or of an earlier one where it has no
   * current attempt.
   */
  async driveTo(
    status: Status,
    given: { attempts: number; leaseMs: number; retryInMs: number },
  ): Promise<{ id: string; token: string }> {
    const { attempts, leaseMs, retryInMs } = given;
    const { job, token } = await this.lease({ retry: { ...defaultRetry, attempts }, leaseMs });
    const attempt = { id: job.id, token };
    if (status === 'scheduled') await this.engine.fail({ ...attempt, error: boom, retryInMs });
    if (status === 'pending') await this.engine.release(attempt);
    if (status === 'completed') await this.engine.complete({ ...attempt, result: { inline: 1 } });
    if (status === 'failed') await this.engine.fail({ ...attempt, error: boom });
    if (status === 'cancelled') await this.engine.cancel({ id: job.id });
    expect((await this.job(job.id)).status).toBe(status);
    return attempt;
  }
}
