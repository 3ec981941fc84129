import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/engine/engine.js';
import { statuses, transition, type Event, type Status } from '../../../src/jobs/life-cycle.js';
import { defaultRetry } from '../../../src/jobs/retry.js';
import { countsOf } from './counts.js';
import { Bench, boom, type EngineFactory } from './setup.js';

const attempts = 2;
const leaseMs = 100;
const retryInMs = 70;
const workOfEach = 3;

interface ModelJob {
  readonly id: string;
  status: Status;
  attempt: number;
  maxAttempts: number;
  version: number;
  /** Of the current attempt, or the latest. */
  token: string;
  earlierToken: string;
  /** When the lease runs out or the backoff ends. */
  until: number;
}

/** The transition table, played on jobs in memory. */
interface Model {
  readonly jobs: ModelJob[];
}
interface Real {
  readonly bench: Bench;
  readonly type: string;
}
type Command = fc.AsyncCommand<Model, Real>;

function play(job: ModelJob, event: Event): Outcome {
  const row = transition(job.status, event);
  if (!row) return 'stale';
  job.status = row.to;
  job.attempt += row.attempts;
  job.version += 1;
  if (event === 'redrive') job.maxAttempts = job.attempt + attempts;
  return 'applied';
}

/** Compares all jobs after each command, so that an effect on a bystander shows too. */
async function compare(model: Model, { bench, type }: Real): Promise<void> {
  const { jobs } = await bench.engine.list({ type, limit: 1_000 });
  const pick = ({ id, status, attempt, maxAttempts, version }: Omit<ModelJob, 'token'>) =>
    ({ id, status, attempt, maxAttempts, version }) as const;
  expect(jobs.map((job) => pick({ ...job, earlierToken: '', until: 0 }))).toEqual(
    model.jobs.map(pick).reverse(),
  );
  const counts = await countsOf(bench.engine, type);
  const inStatus = (status: Status) => model.jobs.filter((job) => job.status === status).length;
  expect(counts?.jobs ?? {}).toEqual(
    model.jobs.length === 0 ? {} : Object.fromEntries(statuses.map((status) => [status, inStatus(status)])),
  );
  expect(counts?.pendingWork ?? 0).toBe(inStatus('pending') * workOfEach);
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      await run(model, real);
      await compare(model, real);
    },
    toString: () => name,
  };
}

/** An operation on one job; with `late`, by the holder of an earlier attempt's token. */
function onJob(
  event: 'complete' | 'retry' | 'fail' | 'release' | 'cancel' | 'redrive',
  index: number,
  late: boolean,
): Command {
  return command(`${event}(${index}${late ? ', late' : ''})`, async (model, { bench }) => {
    const job = model.jobs[index % model.jobs.length];
    if (!job) return;
    const { engine, clock } = bench;
    const { id } = job;
    const token = late ? job.earlierToken : job.token;
    const outcome = await {
      complete: () => engine.complete({ id, token, result: { inline: 1 } }),
      retry: () => engine.fail({ id, token, error: boom, retryInMs }),
      fail: () => engine.fail({ id, token, error: boom }),
      release: () => engine.release({ id, token }),
      cancel: () => engine.cancel({ id }),
      redrive: () => engine.redrive({ id }),
    }[event]();
    const fenced = event !== 'cancel' && event !== 'redrive';
    expect(outcome).toBe(fenced && late ? 'stale' : play(job, event));
    if (event === 'retry' && outcome === 'applied') job.until = clock.now() + retryInMs;
  });
}

const submit = (count: number): Command =>
  command(`submit(${count})`, async (model, { bench, type }) => {
    const retry = { ...defaultRetry, attempts };
    for (const { id } of await bench.submitMany(count, { type, retry, work: workOfEach })) {
      const fresh = { token: 'none', earlierToken: 'none', until: 0 };
      model.jobs.push({ id, status: 'pending', attempt: 0, maxAttempts: attempts, version: 1, ...fresh });
    }
  });

const claim = (max: number): Command =>
  command(`claim(${max})`, async (model, { bench, type }) => {
    const expected = model.jobs.filter((job) => job.status === 'pending').slice(0, max);
    const leases =
      expected.length === 0
        ? await bench.claimNow({ types: [type], max })
        : await bench.claim({ types: [type], max, leaseMs });
    expect(leases.map((lease) => lease.job.id)).toEqual(expected.map((job) => job.id));
    expected.forEach((job, index) => {
      play(job, 'claim');
      job.earlierToken = job.token;
      job.token = leases[index]!.token;
      job.until = bench.clock.now() + leaseMs;
    });
  });

const heartbeat = (index: number, late: boolean): Command =>
  command(`heartbeat(${index}${late ? ', late' : ''})`, async (model, { bench }) => {
    const job = model.jobs[index % model.jobs.length];
    if (!job) return;
    const lease = { id: job.id, token: late ? job.earlierToken : job.token, progress: { fraction: 0.5 } };
    const held = job.status === 'in-progress' && !late;
    expect(await bench.engine.heartbeat({ leases: [lease], leaseMs })).toEqual([held ? 'applied' : 'stale']);
    if (held) job.until = bench.clock.now() + leaseMs;
  });

const pass = (ms: number): Command =>
  command(`pass(${ms} ms)`, async (model, { bench }) => {
    bench.clock.advance(ms);
    await bench.engine.maintain();
    for (const job of model.jobs) {
      if (job.until > bench.clock.now()) continue;
      if (job.status === 'scheduled') play(job, 'due');
      else if (job.status === 'in-progress') play(job, job.attempt < job.maxAttempts ? 'expire' : 'exhaust');
    }
  });

const index = fc.nat({ max: 7 });
const jobEvents = fc.constantFrom('complete', 'retry', 'fail', 'release', 'cancel', 'redrive');
const allCommands = [
  fc.integer({ min: 1, max: 3 }).map(submit),
  fc.integer({ min: 1, max: 3 }).map(claim),
  fc.tuple(jobEvents, index, fc.boolean()).map((given) => onJob(...given)),
  fc.tuple(index, fc.boolean()).map((given) => heartbeat(...given)),
  fc.integer({ min: 1, max: 120 }).map(pass),
];

export function model(factory: EngineFactory): void {
  describe('model', () => {
    const bench = new Bench(factory);

    // A failure prints the seed and path by which fast-check repeats it.
    test('follows the transition table through any sequence of operations', async () => {
      await fc.assert(
        fc.asyncProperty(fc.commands(allCommands, { maxCommands: 40, size: 'max' }), async (commands) => {
          const setup = () => ({ model: { jobs: [] as ModelJob[] }, real: { bench, type: bench.newType() } });
          await fc.asyncModelRun(setup, commands);
        }),
        { numRuns: 60 },
      );
    }, 120_000);
  });
}
