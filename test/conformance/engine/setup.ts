/** What the parts of the engine's suite share: an engine to test, and jobs brought into a given state. */
import { afterAll, beforeAll, expect } from 'vitest';
import type { Engine, Failure, Job, Lease, NewJob } from '../../../src/engine/engine.js';
import { defaultRetry } from '../../../src/jobs/retry.js';
import type { Status } from '../../../src/jobs/life-cycle.js';
import { ManualClock } from '../../support/manual-clock.js';

export interface EngineUnderTest {
  readonly engine: Engine;
  /** Ends the engine and opens its store again, where the store outlives the process. */
  reopen?(): Promise<Engine>;
  cleanup(): Promise<void>;
}

/** Makes an empty store whose time is that of `clock`. */
export type EngineFactory = (clock: ManualClock) => Promise<EngineUnderTest>;

export const minute = 60_000;
export const boom: Failure = { code: 'task-failed', message: 'boom', permanent: false };

/** An engine for all tests of a `describe`: they keep apart by giving their jobs types of their own. */
export class Bench {
  readonly clock = new ManualClock();
  #made: EngineUnderTest | undefined;

  constructor(factory: EngineFactory) {
    beforeAll(async () => {
      this.#made = await factory(this.clock);
    });
    afterAll(async () => {
      await this.#made?.cleanup();
    });
  }

  get engine(): Engine {
    if (!this.#made) throw new Error('there is no engine before the first test');
    return this.#made.engine;
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
      ...given,
    };
  }

  async submit(given: Partial<NewJob> = {}): Promise<Job> {
    const [job] = await this.engine.submit({ jobs: [this.newJob(given)] });
    return job!;
  }

  async submitMany(count: number, given: Partial<NewJob> = {}): Promise<readonly Job[]> {
    return this.engine.submit({ jobs: Array.from({ length: count }, () => this.newJob(given)) });
  }

  /** Leases at least one job: for tests that know there is one. */
  claim(given: { types: readonly string[]; max?: number; leaseMs?: number; worker?: string }) {
    const signal = new AbortController().signal;
    return this.engine.claim({ worker: 'worker-1', max: 1, leaseMs: minute, signal, ...given });
  }

  /** Leases whatever there is right now, which may be nothing. */
  async claimNow(given: { types: readonly string[]; max?: number }): Promise<readonly Lease[]> {
    const aborter = new AbortController();
    const leases = this.engine.claim({
      worker: 'worker-1',
      max: 1,
      leaseMs: minute,
      signal: aborter.signal,
      ...given,
    });
    await this.engine.ping(); // sent after the claim, so the claim has been looked at
    aborter.abort();
    return leases;
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
