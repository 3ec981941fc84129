/** Operations that fast-check puts into any order: each plays the model, does the same for real, and compares. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { JobFilter, NewJob } from '../../../../src/engine/engine.js';
import { statuses, transition, type Status } from '../../../../src/jobs/life-cycle.js';
import { priorities, type Priority } from '../../../../src/jobs/priority.js';
import { defaultRetry } from '../../../../src/jobs/retry.js';
import { boom, idsOf } from '../setup.js';
import { compare, type Real } from './compare.js';
import { attempts, type Model, type ModelJob } from './jobs.js';

type Command = fc.AsyncCommand<Model, Real>;

const leaseMs = 100;
const retryInMs = 70;

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

/** The job that a command is about: one in any state, or where there is one, in the state that the command is for. */
interface Aim {
  readonly index: number;
  readonly any: boolean;
}

/** A command about one job, which does nothing where there is none. */
function onJob(
  name: string,
  { index, any }: Aim,
  meantFor: Status,
  run: (job: ModelJob, model: Model, real: Real) => Promise<void>,
): Command {
  return command(`${name} of ${any ? 'any' : meantFor} job ${index}`, async (model, real) => {
    const meant = any ? [] : model.jobs.filter(({ status }) => status === meantFor);
    const jobs = meant.length > 0 ? meant : model.jobs;
    const job = jobs[index % jobs.length];
    if (job) await run(job, model, real);
  });
}

interface Given {
  readonly type: number;
  readonly priority: Priority;
  readonly key: string | null;
  readonly delayMs: number | null;
  readonly run: number;
}

const submit = (given: readonly Given[], places: number): Command =>
  command(`submit(${JSON.stringify(given)}, places ${places})`, async (model, { bench, types, runs }) => {
    const now = bench.clock.now();
    const jobs = given.map(({ type, priority, key, delayMs, run }): NewJob =>
      bench.newJob({
        type: types[type]!,
        priority,
        retry: { ...defaultRetry, attempts },
        work: 1 + run,
        labels: { run: runs[run]! },
        ...(key !== null && { key: { name: key, places } }),
        ...(delayMs !== null && { runAt: now + delayMs }),
      }),
    );
    expect(await bench.engine.submit({ jobs })).toMatchObject({ kind: 'stored' });
    model.submit(jobs, now);
  });

/** Whose turn it is among the priorities is the engine's to say; within each of them goes first what has waited longest. */
const claim = (which: readonly number[], max: number): Command =>
  command(`claim(types ${which.join(' and ')}, ${max})`, async (model, { bench, types }) => {
    const wanted = which.map((index) => types[index]!);
    const claimable = model.claimable(wanted);
    const given = { types: wanted, max, leaseMs };
    const expected = Math.min(max, claimable.length);
    const leases = [...(await (expected === 0 ? bench.claimNow(given) : bench.claim(given)))];
    // A queue may give out a part first: what is on its way comes with the next claim.
    while (bench.queues && leases.length < expected) {
      leases.push(...(await bench.claim({ ...given, max: expected - leases.length })));
    }
    expect(leases).toHaveLength(expected);
    for (const priority of priorities) {
      const handedOut = idsOf(leases.filter(({ job }) => job.priority === priority));
      const all = claimable.filter((job) => job.priority === priority).map(({ id }) => id);
      if (bench.queues) expect(all).toEqual(expect.arrayContaining(handedOut));
      else expect(handedOut).toEqual(all.slice(0, handedOut.length));
    }
    for (const lease of leases) {
      const job = claimable.find(({ id }) => id === lease.job.id)!;
      model.play(job, 'claim', bench.clock.now());
      job.earlierToken = job.token;
      job.token = lease.token;
      job.until = bench.clock.now() + leaseMs;
    }
  });

/** With `late`, by the holder of an earlier attempt's token. */
const attemptEnds = (event: 'complete' | 'retry' | 'fail' | 'release', aim: Aim, late: boolean): Command =>
  onJob(`${late ? 'late ' : ''}${event}`, aim, 'in-progress', async (job, model, { bench }) => {
    const { engine, clock } = bench;
    const { id } = job;
    const token = late ? job.earlierToken : job.token;
    const outcome = await {
      complete: () => engine.complete({ id, token, result: { inline: 1 } }),
      retry: () => engine.fail({ id, token, error: boom, retryInMs }),
      fail: () => engine.fail({ id, token, error: boom }),
      release: () => engine.release({ id, token }),
    }[event]();
    expect(outcome).toBe(late ? 'stale' : model.play(job, event, clock.now()));
    if (event === 'retry' && outcome === 'applied') job.until = clock.now() + retryInMs;
    model.fill(clock.now());
  });

const change = (event: 'cancel' | 'redrive', aim: Aim): Command =>
  onJob(event, aim, event === 'redrive' ? 'failed' : 'pending', async (job, model, { bench }) => {
    const { engine, clock } = bench;
    expect(await engine[event]({ id: job.id })).toBe(model.play(job, event, clock.now()));
    model.fill(clock.now());
  });

const changeAll = (
  event: 'cancel' | 'redrive',
  by: { status: Status | undefined; type: number | undefined; run: number | undefined },
  limit: number,
): Command =>
  command(`changeAll(${event}, ${JSON.stringify(by)}, ${limit})`, async (model, { bench, types, runs }) => {
    // Other runs have jobs in the same store: without a label or type of this one, they would be meant too.
    const filter: JobFilter = {
      ...(by.status !== undefined && { status: by.status }),
      ...(by.type !== undefined && { type: types[by.type]! }),
      ...((by.run !== undefined || by.type === undefined) && {
        label: { name: 'run', value: runs[by.run ?? 0]! },
      }),
    };
    const meant = model.matching(filter).filter(({ status }) => transition(status, event) !== undefined);
    const { changed, more } = await bench.engine.changeAll({ change: event, filter, limit });
    expect(changed).toBe(Math.min(limit, meant.length));
    if (meant.length > limit) expect(more).toBe(true);
    for (const job of meant.slice(0, limit)) model.play(job, event, bench.clock.now());
    model.fill(bench.clock.now());
  });

const heartbeat = (aim: Aim, late: boolean): Command =>
  onJob(`${late ? 'late ' : ''}heartbeat`, aim, 'in-progress', async (job, _, { bench }) => {
    const lease = { id: job.id, token: late ? job.earlierToken : job.token, progress: { fraction: 0.5 } };
    const leased = job.status === 'in-progress' && !late;
    expect(await bench.engine.heartbeat({ leases: [lease], leaseMs })).toEqual([
      leased ? 'applied' : 'stale',
    ]);
    if (leased) job.until = bench.clock.now() + leaseMs;
  });

const standing = (aim: Aim): Command =>
  onJob('standing', aim, 'pending', async (job, model, { bench }) => {
    expect(await bench.engine.standing({ id: job.id })).toEqual({
      job: await bench.job(job.id),
      paused: model.paused.has(job.type),
      ahead: model.ahead(job),
      ...(job.key !== undefined && { key: { taken: model.taken(job), places: model.placesOf(job) } }),
    });
  });

const pause = (index: number): Command =>
  command(`pause(type ${index})`, async (model, { bench, types }) => {
    await bench.engine.pause({ type: types[index]! });
    model.paused.add(types[index]!);
  });

const resume = (index: number): Command =>
  command(`resume(type ${index})`, async (model, { bench, types }) => {
    await bench.engine.resume({ type: types[index]! });
    model.paused.delete(types[index]!);
  });

const pass = (ms: number): Command =>
  command(`pass(${ms} ms)`, async (model, { bench }) => {
    bench.clock.advance(ms);
    await bench.engine.maintain();
    model.pass(bench.clock.now());
  });

/** All leases run out meanwhile: whether an attempt outlives its engine is the engine's own affair. */
const reopen = (): Command =>
  command('reopen', async (model, { bench }) => {
    bench.clock.advance(leaseMs);
    await bench.reopen();
    await bench.engine.maintain();
    model.pass(bench.clock.now());
  });

const prune = (ageMs: number): Command =>
  command(`prune(${ageMs} ms)`, async (model, { bench }) => {
    const before = bench.clock.now() - ageMs;
    for (let more = true; more;) {
      ({ more } = await bench.engine.prune({ before, keep: Infinity, limit: 1_000 }));
    }
    model.prune(before);
  });

/** True once in a while. */
const rarely = fc.nat({ max: 4 }).map((number) => number === 4);
const aim = fc.record<Aim>({ index: fc.nat({ max: 9 }), any: rarely });
const ofTwo = fc.nat({ max: 1 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const given = fc.record<Given>({
  type: fc.constantFrom(0, 0, 1),
  priority: fc.constantFrom(...priorities),
  key: fc.constantFrom(null, 'a', 'a', 'b'),
  delayMs: fc.constantFrom(null, null, null, -10, 0, 40, 90),
  run: ofTwo,
});
const filter = fc.record({
  status: maybe(fc.constantFrom(...statuses)),
  type: maybe(ofTwo),
  run: maybe(ofTwo),
});
const changes = fc.constantFrom('cancel' as const, 'redrive' as const);
const upTo = (max: number) => fc.integer({ min: 1, max });

/** Opening a store takes as long as dozens of other commands, so it comes rarely. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc
      .tuple(fc.array(given, { minLength: 1, maxLength: 4 }), upTo(3))
      .map((all) => submit(...all)),
  },
  {
    weight: 40,
    arbitrary: fc.tuple(fc.constantFrom([0], [1], [0, 1]), upTo(4)).map((all) => claim(...all)),
  },
  {
    weight: 60,
    arbitrary: fc
      .tuple(
        fc.constantFrom('complete' as const, 'retry' as const, 'fail' as const, 'release' as const),
        aim,
        rarely,
      )
      .map((all) => attemptEnds(...all)),
  },
  { weight: 25, arbitrary: fc.tuple(changes, aim).map((all) => change(...all)) },
  { weight: 15, arbitrary: fc.tuple(changes, filter, upTo(4)).map((all) => changeAll(...all)) },
  { weight: 10, arbitrary: fc.tuple(aim, rarely).map((all) => heartbeat(...all)) },
  { weight: 10, arbitrary: aim.map(standing) },
  { weight: 25, arbitrary: upTo(120).map(pass) },
  { weight: 5, arbitrary: ofTwo.map(pause) },
  { weight: 8, arbitrary: ofTwo.map(resume) },
  { weight: 5, arbitrary: fc.integer({ min: -1, max: 100 }).map(prune) },
  { weight: 1, arbitrary: fc.constant(undefined).map(reopen) },
);
