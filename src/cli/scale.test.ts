import { stripVTControlCharacters } from 'node:util';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import fc from 'fast-check';
import Fastify from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock.js';
import type { WorkerScale } from '../contract/scale.js';
import type { App } from '../http/dependencies.js';
import { sendProblem } from '../http/problems.js';
import { scalingRoutes } from '../http/routes/scaling.js';
import { planScale, type ScalingPlan } from '../jobs/scaling.js';
import { buildProgram } from './program.js';
import { explainScale } from './scale.js';
import type { Look } from './table.js';

const look: Look = { now: 0, width: 80, paint: (_, text) => text };
const scale: WorkerScale = {
  desired_worker_scale: 6,
  current_workers: 2,
  busy_workers: 2,
  min_workers: 1,
  max_workers: 8,
  need: 6,
  arrival_rate: 2.4666666,
  service_time: 0.81234,
  backlog_jobs: 12,
  backlog_seconds: 12.1234,
  oldest_age: 0.25,
  slots_per_worker: 1,
  utilisation: 0.8,
  drain_target: 5,
  slo: 1,
};
const idle: WorkerScale = {
  ...scale,
  desired_worker_scale: 1,
  current_workers: 1,
  busy_workers: 0,
  need: 0,
  arrival_rate: 0,
  backlog_jobs: 0,
  backlog_seconds: 0,
  oldest_age: 0,
};
const lines = (changed: Partial<WorkerScale>): string[] =>
  explainScale({ ...idle, ...changed }, look).split('\n');

describe('the explanation of the scale', () => {
  it('shows the figure, what decided it, each term, and the formula with its numbers', () => {
    expect(explainScale(scale, look)).toBe(
      [
        '6 workers wanted, 2 there (2 busy)',
        'The load decides: it needs 6 workers.',
        '',
        'TERM                   VALUE  UNIT     MEANING',
        'desired_worker_scale       6  workers  how many there should be',
        'current_workers            2  workers  how many there are',
        'busy_workers               2  workers  how many of them work',
        'min_workers                1  workers  never fewer',
        'max_workers                8  workers  never more',
        'need                       6  workers  what the load needs, see below',
        'arrival_rate           2.467  jobs/s   how often jobs come',
        'service_time          0.8123  s        how long one keeps a slot busy',
        'backlog_jobs              12  jobs     how many wait',
        'backlog_seconds        12.12  s        how long they will run, together',
        'oldest_age              0.25  s        the longest wait among them',
        'slots_per_worker           1  slots    jobs that a worker runs at a time',
        'utilisation              0.8           share of its slots to have busy',
        'drain_target               5  s        time to work off what waits',
        'slo                        1  s        longest that a job should wait',
        '',
        'need    = ceil((arrival_rate × service_time + backlog_seconds / drain_target)',
        '               / (slots_per_worker × utilisation))',
        '        = ceil((2.467 × 0.8123 + 12.12 / 5) / (1 × 0.8))',
        '        = ceil(5.536) = 6',
        'late    = oldest_age > slo ? current_workers + 1 : 0',
        '        = 0.25 > 1 ? 2 + 1 : 0 = 0',
        'desired = clamp(max(need, busy_workers, late), min_workers, max_workers)',
        '        = clamp(max(6, 2, 0), 1, 8) = 6',
      ].join('\n'),
    );
  });

  it.each<[string, Partial<WorkerScale>]>([
    ['There is nothing to do.', { min_workers: 0, desired_worker_scale: 0 }],
    ['The load decides: it needs 1 worker.', { need: 1 }],
    ['The busy workers decide: 4 must stay, though the load needs none.', { busy_workers: 4 }],
    ['The busy workers decide: 4 must stay, though the load needs only 3.', { busy_workers: 4, need: 3 }],
    ['The oldest job decides: one more, after 6 min 52 s (slo 5 min).', { oldest_age: 412, slo: 300 }],
    ['The lower bound decides: never below 2, though the load needs only 1.', { min_workers: 2, need: 1 }],
    ['The lower bound decides: never below 1, though the load needs none.', {}],
    ['The upper bound decides: never above 8, though 250 are wanted.', { need: 250 }],
    ['The upper bound decides: never above 8, though 9 are wanted.', { current_workers: 8, oldest_age: 2 }],
  ])('says in words: %s', (words, changed) => {
    expect(lines(changed)[1]).toBe(words);
  });

  it('counts one worker in the singular', () => {
    expect(lines({})[0]).toBe('1 worker wanted, 1 there (0 busy)');
  });

  it('puts the wait of a late job into the formula', () => {
    const text = lines({ oldest_age: 412, slo: 300, desired_worker_scale: 2 }).join('\n');
    expect(text).toContain('= 412 > 300 ? 1 + 1 : 0 = 2\n');
    expect(text).toContain('= clamp(max(0, 0, 2), 1, 8) = 2');
  });

  it.each([
    [3.000001, 4, 'ceil(3.000001) = 4'],
    [3.0000000000000004, 3, 'ceil(3) = 3'],
    [12_345.6, 12_346, 'ceil(12346) = 12346'],
    [0.000_123_456, 1, 'ceil(0.0001235) = 1'],
    [0, 0, 'ceil(0) = 0'],
  ])('writes %d with the digits that show why it needs %d', (rate, need, words) => {
    const given = { arrival_rate: rate, service_time: 1, utilisation: 1, need };
    expect(lines(given).join('\n')).toContain(words);
  });

  it('fits into 80 columns, and into fewer without the meanings', () => {
    const counts = fc.integer({ min: 0, max: 100_000 });
    const amounts = fc.double({ min: 0, max: 86_400, noNaN: true });
    const scales = fc.record({
      desired_worker_scale: counts,
      current_workers: counts,
      busy_workers: counts,
      min_workers: counts,
      max_workers: counts,
      need: counts,
      backlog_jobs: counts,
      arrival_rate: amounts,
      service_time: amounts,
      backlog_seconds: amounts,
      oldest_age: amounts,
      slots_per_worker: fc.integer({ min: 1, max: 1_024 }),
      utilisation: fc.constantFrom(0.8, 1 / 3),
      drain_target: fc.integer({ min: 1, max: 86_400 }),
      slo: amounts,
    });
    fc.assert(
      fc.property(scales, (drawn) => {
        for (const line of lines(drawn)) expect(line.length, line).toBeLessThanOrEqual(80);
      }),
    );
    const narrow = explainScale(scale, { ...look, width: 50 }).split('\n');
    for (const line of narrow.slice(0, 19)) expect(line.length, line).toBeLessThanOrEqual(50);
    expect(narrow[3]).toBe('TERM                   VALUE  UNIT');
  });

  it('aligns its columns when it is coloured', () => {
    const coloured = { ...look, paint: (_: string, text: string) => `\u001b[1m${text}\u001b[0m` };
    expect(explainScale(scale, coloured)).not.toBe(explainScale(scale, look));
    expect(stripVTControlCharacters(explainScale(scale, coloured))).toBe(explainScale(scale, look));
  });
});

describe('dray scale explain', () => {
  let app: App | undefined;
  afterEach(() => app?.close());

  /** The command against the server's own route, which answers with the given plan. */
  async function run(plan: ScalingPlan, ...flags: string[]) {
    app = Fastify();
    app.setValidatorCompiler(TypeBoxValidatorCompiler);
    app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, systemClock));
    const other = { kind: 'unknown', reason: 'of this pool nothing is known' } as const;
    const plans = new Map([['default', plan], ['gpu', other] as const]);
    scalingRoutes(app, { scaling: () => Promise.resolve(plans) });
    const server = await app.listen({ host: '127.0.0.1', port: 0 });
    const written = { out: '', err: '' };
    const stream = (name: 'out' | 'err') => ({ write: (text: string) => ((written[name] += text), true) });
    const program = buildProgram({
      serve: () => Promise.resolve(),
      serveApart: () => Promise.resolve(),
      serveModels: () => Promise.resolve(),
      checkInvariants: () => Promise.reject(new Error('this test has no data folder')),
      diagnose: () => Promise.reject(new Error('this test has no machine')),
      diagnoseServers: () => Promise.reject(new Error('this test has no servers')),
      diagnoseKubernetes: () => Promise.reject(new Error('this test has no cluster')),
      diagnoseModels: () => Promise.reject(new Error('this test has no models')),
      clock: systemClock,
      terminal: { out: stream('out'), err: stream('err'), width: 80, paint: (_, text) => text },
    });
    const code = await program.run(['node', 'dray', 'scale', 'explain', '--server', server, ...flags]);
    return { code, ...written };
  }

  const busy = planScale(
    {
      arrivalRate: 2,
      serviceTime: 0.5,
      backlogJobs: 3,
      backlogSeconds: 1.5,
      oldestAge: 0.2,
      busyWorkers: 1,
      currentWorkers: 1,
    },
    { slotsPerWorker: 1, utilisation: 0.8, drainTarget: 5, slo: 1, min: 1, max: 4 },
  );

  it('prints the explanation of what the server answers', async () => {
    const { code, out, err } = await run(busy);
    expect(out).toMatch(
      /^2 workers wanted, 1 there \(1 busy\)\nThe load decides: it needs 2 workers\.\n\nTERM/,
    );
    expect(out).toContain('= ceil((2 × 0.5 + 1.5 / 5) / (1 × 0.8))\n        = ceil(1.625) = 2\n');
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it('prints the headline alone where it is to be quiet', async () => {
    expect(await run(busy, '--quiet')).toMatchObject({
      code: 0,
      out: '2 workers wanted, 1 there (1 busy)\n',
    });
  });

  it('prints the flat document as JSON, the figure first', async () => {
    const { code, out } = await run(busy, '--json');
    expect(code).toBe(0);
    const document = JSON.parse(out) as Record<string, unknown>;
    expect(Object.keys(document)[0]).toBe('desired_worker_scale');
    expect(document).toEqual({
      desired_worker_scale: 2,
      current_workers: 1,
      busy_workers: 1,
      min_workers: 1,
      max_workers: 4,
      need: 2,
      arrival_rate: 2,
      service_time: 0.5,
      backlog_jobs: 3,
      backlog_seconds: 1.5,
      oldest_age: 0.2,
      slots_per_worker: 1,
      utilisation: 0.8,
      drain_target: 5,
      slo: 1,
    });
  });

  it('asks for the pool that is named', async () => {
    const { code, err } = await run(busy, '--pool', 'gpu');
    expect(err).toContain('of this pool nothing is known');
    expect(code).toBe(1);
  });

  it('names the pools that there are where the asked one is none of them', async () => {
    const { err } = await run(busy, '--pool', 'cpu');
    expect(err).toContain('there is no pool "cpu"; there are default, gpu');
  });

  it('ends with 1 and says what to do where the scale is unknown', async () => {
    const { code, out, err } = await run({ kind: 'unknown', reason: 'the store is away' });
    expect(err).toMatch(/^dray: the store is away\n {2}→ .*Leave the number of workers as it is/);
    expect({ code, out }).toEqual({ code: 1, out: '' });
  });

  it('gives an unknown scale as JSON where JSON is wanted', async () => {
    const { code, err } = await run({ kind: 'unknown', reason: 'the store is away' }, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'scale-unknown', status: 503 } });
  });
});
