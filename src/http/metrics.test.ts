import { describe, expect, it } from 'vitest';
import { readExposition, valueOf } from '../../test/support/exposition.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import type { Worker } from '../contract/worker.js';
import type { TypeCounts } from '../engine/engine.js';
import { planScale, type ScalingPlan } from '../jobs/scaling.js';
import { Metrics } from './metrics.js';

const clock = new ManualClock();

const counts = (changes: Partial<TypeCounts> = {}): TypeCounts => ({
  type: 'matmul',
  jobs: { scheduled: 1, pending: 4, 'in-progress': 2, completed: 30, failed: 3, cancelled: 5 },
  held: 0,
  paused: false,
  pendingWork: 80,
  oldestPendingAt: clock.now() - 2_500,
  totals: {
    submitted: 45,
    attempts: { completed: 30, failed: 7, expired: 1, released: 2, cancelled: 5 },
    ranMs: 9_000,
    work: 600,
  },
  ...changes,
});

const unknown: ScalingPlan = { kind: 'unknown', reason: 'not measured yet' };
const known = planScale(
  {
    arrivalRate: 2,
    serviceTime: 1,
    backlogJobs: 4,
    backlogSeconds: 60,
    oldestAge: 2.5,
    busyWorkers: 1,
    currentWorkers: 2,
  },
  { slotsPerWorker: 1, utilisation: 0.8, drainTarget: 60, slo: 300, min: 1, max: 8 },
);

const executors = (...pids: readonly number[]) => pids.map((pid) => ({ pid, memory: 1 }));
const of = (process: string) => ({ id: process, process, host: 'here', pool: 'default' });
const workers: readonly Worker[] = [
  { ...of('w1'), pid: 1, types: [], slots: 3, busy: 1, executors: executors(2) },
  { ...of('w2'), pid: 3, types: [], slots: 2, busy: 2, executors: executors(4, 5) },
];

function metricsOf(sources: {
  read?: () => Promise<readonly TypeCounts[]>;
  scaling?: () => ScalingPlan;
}): Metrics {
  return new Metrics({
    shared: {
      counts: sources.read ?? (() => Promise.resolve([counts()])),
      workers: () => Promise.resolve(workers),
      scaling: () => Promise.resolve(new Map([['default', (sources.scaling ?? (() => known))()]])),
    },
    clock,
  });
}

async function scrape(metrics: Metrics): Promise<ReturnType<typeof readExposition>> {
  return readExposition(await metrics.text());
}

describe('the metrics', () => {
  it('tell what the engine counts of each type', async () => {
    const idle = counts({
      type: 'echo',
      jobs: { scheduled: 0, pending: 0, 'in-progress': 0, completed: 9, failed: 0, cancelled: 0 },
    });
    delete (idle as { oldestPendingAt?: number }).oldestPendingAt;
    const scraped = await scrape(metricsOf({ read: () => Promise.resolve([counts(), idle]) }));
    const of = (name: string, labels: Record<string, string> = {}) =>
      valueOf(scraped, name, { type: 'matmul', ...labels });
    expect(of('dray_queue_depth')).toBe(4);
    expect(of('dray_queue_oldest_age_seconds')).toBe(2.5);
    expect(of('dray_jobs_in_flight')).toBe(2);
    expect(of('dray_jobs_submitted_total')).toBe(45);
    expect(of('dray_jobs', { status: 'failed' })).toBe(3);
    expect(of('dray_jobs', { status: 'in-progress' })).toBe(2);
    expect(of('dray_attempts_total', { outcome: 'failed' })).toBe(7);
    expect(of('dray_attempts_total', { outcome: 'expired' })).toBe(1);
    expect(valueOf(scraped, 'dray_queue_depth', { type: 'echo' })).toBe(0);
    expect(valueOf(scraped, 'dray_queue_oldest_age_seconds', { type: 'echo' })).toBe(0);
    expect(valueOf(scraped, 'dray_store_up')).toBe(1);
  });

  it('read totals anew at each scrape, and do not add them up', async () => {
    const readings = [counts(), counts({ totals: { ...counts().totals, submitted: 46 } })];
    const metrics = metricsOf({ read: () => Promise.resolve([readings.shift()!]) });
    await metrics.text();
    expect(valueOf(await scrape(metrics), 'dray_jobs_submitted_total', { type: 'matmul' })).toBe(46);
  });

  it('show no negative age where the wall clock went back', async () => {
    const ahead = counts({ oldestPendingAt: clock.now() + 60_000 });
    const scraped = await scrape(metricsOf({ read: () => Promise.resolve([ahead]) }));
    expect(valueOf(scraped, 'dray_queue_oldest_age_seconds', { type: 'matmul' })).toBe(0);
  });

  it('add up the slots of all workers', async () => {
    const scraped = await scrape(metricsOf({}));
    expect(valueOf(scraped, 'dray_slots')).toBe(5);
    expect(valueOf(scraped, 'dray_slots_busy')).toBe(3);
    expect(valueOf(scraped, 'dray_executors')).toBe(3);
  });

  it('leave the wanted workers away while they are unknown, also after they were known', async () => {
    const plans = [unknown, known, unknown];
    const metrics = metricsOf({ scaling: () => plans.shift()! });
    const wanted = async () => valueOf(await scrape(metrics), 'dray_desired_workers', { pool: 'default' });
    expect(await wanted()).toBeUndefined();
    expect(await wanted()).toBe(known.kind === 'known' ? known.desired : NaN);
    expect(await wanted()).toBeUndefined();
  });

  it('leave the queues away where the store fails, and tell the rest', async () => {
    let works = true;
    const metrics = metricsOf({
      read: () => (works ? Promise.resolve([counts()]) : Promise.reject(new Error('the store is away'))),
    });
    await metrics.text();
    works = false;
    const scraped = await scrape(metrics);
    expect(valueOf(scraped, 'dray_store_up')).toBe(0);
    for (const name of ['dray_queue_depth', 'dray_jobs', 'dray_jobs_submitted_total', 'dray_attempts_total'])
      expect(scraped.get(name)?.samples, name).toEqual([]);
    expect(valueOf(scraped, 'dray_slots')).toBe(5);
    works = true;
    expect(valueOf(await scrape(metrics), 'dray_queue_depth', { type: 'matmul' })).toBe(4);
  });

  it('do not wait for a store that hangs, nor ask it again meanwhile', async () => {
    let asked = 0;
    let answer: (counts: readonly TypeCounts[]) => void = () => undefined;
    const metrics = metricsOf({
      read: () => {
        asked += 1;
        return new Promise((resolve) => (answer = resolve));
      },
    });
    const scrapes = [scrape(metrics), scrape(metrics)];
    clock.advance(2_000);
    for (const scraped of await Promise.all(scrapes)) expect(valueOf(scraped, 'dray_store_up')).toBe(0);
    const last = scrape(metrics);
    answer([counts()]);
    expect(valueOf(await last, 'dray_queue_depth', { type: 'matmul' })).toBe(4);
    expect(asked).toBe(1);
  });

  it('tell of a cluster what this process counted, and what is the same for all where it is theirs to tell', async () => {
    const counted = { redelivered: 1, stale: 2, reemitted: 3, deadLettered: 4 };
    const shared = { outbox: { jobs: 5, oldestMs: 1_500 }, leader: 'here' };
    const answers = [{ ...counted, shared }, counted];
    const metrics = new Metrics({
      clock,
      cluster: () => {
        const answer = answers.shift();
        return answer ? Promise.resolve(answer) : Promise.reject(new Error('away'));
      },
    });
    const first = await scrape(metrics);
    const values = (scraped: typeof first) =>
      ['redelivered_total', 'stale_total', 'reemitted_total', 'dead_lettered_total', 'outbox_jobs'].map(
        (name) => valueOf(scraped, `dray_cluster_${name}`),
      );
    expect(values(first)).toEqual([1, 2, 3, 4, 5]);
    expect(valueOf(first, 'dray_cluster_outbox_oldest_age_seconds')).toBe(1.5);
    expect(valueOf(first, 'dray_cluster_leader', { controller: 'here' })).toBe(1);
    expect(first.has('dray_queue_depth')).toBe(false);
    const second = await scrape(metrics);
    expect(values(second)).toEqual([1, 2, 3, 4, undefined]);
    expect(second.get('dray_cluster_leader')?.samples).toEqual([]);
    expect(values(await scrape(metrics))).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  it('count requests and attempts as they happen, in buckets of their durations', async () => {
    const metrics = metricsOf({});
    const request = { method: 'GET', route: '/v1/jobs/:id', status: 200 };
    for (const seconds of [0.0002, 0.004, 0.005, 90]) metrics.observeRequest({ ...request, seconds });
    metrics.observeRequest({ ...request, status: 404, seconds: 0.001 });
    metrics.observeAttempt({ type: 'matmul', outcome: 'completed', seconds: 2 });
    const scraped = await scrape(metrics);
    const http = (part: string, status: string, rest: Record<string, string> = {}) =>
      valueOf(scraped, `dray_http_request_duration_seconds_${part}`, { ...request, status, ...rest });
    expect(http('bucket', '200', { le: '0.0001' })).toBe(0);
    expect(http('bucket', '200', { le: '0.00025' })).toBe(1);
    expect(http('bucket', '200', { le: '0.005' })).toBe(3);
    expect(http('bucket', '200', { le: '60' })).toBe(3);
    expect(http('bucket', '200', { le: '+Inf' })).toBe(4);
    expect(http('count', '200')).toBe(4);
    expect(http('sum', '200')).toBeCloseTo(90.0092, 10);
    expect(http('count', '404')).toBe(1);
    const attempt = { type: 'matmul', outcome: 'completed' };
    expect(valueOf(scraped, 'dray_attempt_duration_seconds_bucket', { ...attempt, le: '1' })).toBe(0);
    expect(valueOf(scraped, 'dray_attempt_duration_seconds_bucket', { ...attempt, le: '4' })).toBe(1);
  });

  it('keep a duration that is none out of the sums', async () => {
    const metrics = metricsOf({});
    const request = { method: 'GET', route: '/docs', status: 200 };
    for (const seconds of [NaN, -1, 1]) metrics.observeRequest({ ...request, seconds });
    const scraped = await scrape(metrics);
    const labels = { ...request, status: '200' };
    expect(valueOf(scraped, 'dray_http_request_duration_seconds_sum', labels)).toBe(1);
    expect(valueOf(scraped, 'dray_http_request_duration_seconds_count', labels)).toBe(1);
  });
});
