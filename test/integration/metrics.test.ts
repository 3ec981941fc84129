/** What `/metrics` says of a real server, held against what was done to it and against docs/metrics.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { act, ended, executorOf, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { readExposition, valueOf, type Family } from '../support/exposition.js';
import { startServer, type TestServer } from '../support/server.js';
import { root } from '../support/sources.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ['--max-executors', '1', '--models', join(root, 'models')] });
});
afterAll(() => server.stop());

async function scrape({ url } = server): Promise<Map<string, Family>> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  return readExposition(await response.text());
}

/** The value once it is the wanted one. */
async function reaches(name: string, labels: Record<string, string>, wanted: number): Promise<void> {
  await eventually(
    async () => valueOf(await scrape(), name, labels),
    (value) => value === wanted,
  );
}

describe('/metrics', () => {
  it('is the text form of Prometheus, with HELP and TYPE for each metric', async () => {
    const response = await fetch(`${server.url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const families = readExposition(await response.text());
    for (const [name, { help, type }] of families) {
      expect(help, name).not.toBe('');
      expect(type, name).toMatch(/^(counter|gauge|histogram)$/);
    }
    expect(valueOf(families, 'dray_store_up')).toBe(1);
    expect(valueOf(families, 'process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  it('follows jobs through the queue, the slot and their end', async () => {
    const type = 'sleep';
    const running = await submit(server.url, type, { seconds: 600 });
    await eventually(
      () => executorOf(server.url, running.id),
      (pid) => pid !== undefined,
    );
    const waiting = await Promise.all([1, 2, 3].map(() => submit(server.url, type, { seconds: 600 })));
    const full = await scrape();
    expect(valueOf(full, 'dray_queue_depth', { type })).toBe(3);
    expect(valueOf(full, 'dray_jobs', { type, status: 'pending' })).toBe(3);
    expect(valueOf(full, 'dray_jobs_in_flight', { type })).toBe(1);
    expect(valueOf(full, 'dray_jobs_submitted_total', { type })).toBe(4);
    expect(valueOf(full, 'dray_slots')).toBe(1);
    expect(valueOf(full, 'dray_slots_busy')).toBe(1);
    expect(valueOf(full, 'dray_executors')).toBe(1);
    const age = valueOf(full, 'dray_queue_oldest_age_seconds', { type })!;
    await eventually(
      async () => valueOf(await scrape(), 'dray_queue_oldest_age_seconds', { type })!,
      (later) => later > age,
    );

    for (const { id } of [...waiting, running]) await act(server.url, id, 'cancel');
    await reaches('dray_jobs_in_flight', { type }, 0);
    await reaches('dray_slots_busy', {}, 0);
    const empty = await scrape();
    expect(valueOf(empty, 'dray_queue_depth', { type })).toBe(0);
    expect(valueOf(empty, 'dray_queue_oldest_age_seconds', { type })).toBe(0);
    expect(valueOf(empty, 'dray_jobs', { type, status: 'cancelled' })).toBe(4);
    expect(valueOf(empty, 'dray_attempts_total', { type, outcome: 'cancelled' })).toBe(1);
  });

  it('counts attempts by outcome, and how long each took', async () => {
    const type = 'matmul';
    const input = {
      a: { random: { rows: 8, cols: 8, seed: 1 } },
      b: { random: { rows: 8, cols: 8, seed: 2 } },
    };
    for (let i = 0; i < 5; i++) await ended(server.url, (await submit(server.url, type, input)).id);
    const outcome = 'completed';
    await reaches('dray_attempt_duration_seconds_count', { type, outcome }, 5);
    const before = await scrape();
    expect(valueOf(before, 'dray_attempts_total', { type, outcome })).toBe(5);
    expect(valueOf(before, 'dray_jobs', { type, status: 'completed' })).toBe(5);
    expect(valueOf(before, 'dray_attempt_duration_seconds_bucket', { type, outcome, le: '+Inf' })).toBe(5);
    expect(valueOf(before, 'dray_attempt_duration_seconds_sum', { type, outcome })).toBeGreaterThan(0);
  });

  it('tells the attempts that failed, and the jobs that failed for good', async () => {
    const type = 'sleep';
    const value = async (name: string, labels: Record<string, string>) =>
      valueOf(await scrape(), name, { type, ...labels }) ?? 0;
    const attempts = await value('dray_attempts_total', { outcome: 'failed' });
    const dead = await value('dray_jobs', { status: 'failed' });
    const retry = { attempts: 2, baseMs: 1, capMs: 1 };
    const twice = await submit(server.url, type, { seconds: 0, failTimes: 2 }, { retry });
    const once = await submit(server.url, type, { seconds: 0, failTimes: 1 }, { retry });
    expect((await ended(server.url, twice.id)).status).toBe('failed');
    expect((await ended(server.url, once.id)).status).toBe('completed');
    expect(await value('dray_attempts_total', { outcome: 'failed' })).toBe(attempts + 3);
    expect(await value('dray_jobs', { status: 'failed' })).toBe(dead + 1);
    await reaches('dray_attempt_duration_seconds_count', { type, outcome: 'failed' }, attempts + 3);
  });

  it('counts requests by the pattern of their route, never by their address', async () => {
    const name = 'dray_http_request_duration_seconds';
    const { id } = await submit(server.url, 'echo', 1);
    const known = { method: 'GET', route: '/v1/jobs/:id', status: '200' };
    const before = valueOf(await scrape(), `${name}_count`, known) ?? 0;
    for (let i = 0; i < 3; i++) await (await fetch(`${server.url}/v1/jobs/${id}`)).text();
    await (await fetch(`${server.url}/v1/jobs/${systemClock.id()}`)).text();
    for (const path of ['/no/such/place', '/nor/this', '/no?at=all']) await fetch(server.url + path);
    await reaches(`${name}_count`, known, before + 3);
    await reaches(`${name}_count`, { method: 'GET', route: 'none', status: '404' }, 3);
    const family = (await scrape()).get(name)!;
    const routes = new Set(family.samples.map(({ labels }) => labels['route']!));
    expect([...routes].filter((route) => route.includes(id) || route.includes('no'))).toEqual(['none']);
    const statuses = family.samples.filter(({ labels }) => labels['route'] === known.route);
    expect(new Set(statuses.map(({ labels }) => labels['status']))).toContain('404');
  });

  it('counts conversions too, which pass by the hooks of all other routes', async () => {
    const name = 'dray_http_request_duration_seconds_count';
    for (const value of ['451.0', '32', 'warm']) await fetch(`${server.url}/convert/?fahrenheit=${value}`);
    await fetch(`${server.url}/convert/`, { method: 'POST' });
    const scraped = await scrape();
    const count = (method: string, status: string) =>
      valueOf(scraped, name, { method, status, route: '/convert/' });
    expect([count('GET', '200'), count('GET', '422'), count('POST', '405')]).toEqual([2, 1, 1]);
  });

  it('tells the wanted workers as the scaling figure does', async () => {
    const scaled = await startServer({ args: ['--min-executors', '1', '--max-executors', '4'] });
    try {
      const jobs = await Promise.all(
        Array.from({ length: 12 }, () => submit(scaled.url, 'sleep', { seconds: 600 })),
      );
      // One is what is wanted before anything is: only a figure above it shows that the metric follows.
      await eventually(
        async () => {
          const scale = await fetch(`${scaled.url}/desired-worker-scale`);
          const { desired_worker_scale: wanted } = (await scale.json()) as { desired_worker_scale?: number };
          return { wanted, told: valueOf(await scrape(scaled), 'dray_desired_workers', { pool: 'default' }) };
        },
        ({ wanted = 0, told }) => wanted > 1 && told === wanted,
      );
      for (const { id } of jobs) await act(scaled.url, id, 'cancel');
    } finally {
      await scaled.stop();
    }
  });
});

describe('docs/metrics.md', () => {
  const rows = [
    ...readFileSync(join(root, 'docs/metrics.md'), 'utf8').matchAll(
      /^\| `((?:dray|process|nodejs)_\w+)` +\| (\w+) +\| ([^|]*)\|/gm,
    ),
  ].map(([, name, type, labels]) => ({
    name: name!,
    type: type!,
    labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!).sort(),
  }));

  /** It comes with the first garbage collection. */
  const collections = 'nodejs_gc_duration_seconds';
  /** Has samples only while the process has requests to the operating system under way. */
  const momentary = new Set(['nodejs_active_requests']);

  it('lists each metric with its type, and none that is not there', async () => {
    const families = await scrape();
    const scraped = [...families].map(([name, { type }]) => `${name} ${type}`);
    // Those of a cluster are held against a deployment: deployment/processes.test.ts.
    const listed = rows
      .filter(({ name }) => !name.startsWith('dray_cluster_'))
      .map(({ name, type }) => `${name} ${type}`);
    expect(scraped.filter((each) => !listed.includes(each))).toEqual([]);
    // What prom-client knows of a process depends on the operating system.
    const expected = listed.filter((each) => process.platform === 'linux' || each.startsWith('dray_'));
    expect(expected.filter((each) => !scraped.includes(each))).toEqual([]);
    expect(new Set(listed).size).toBe(listed.length);
  });

  it('names the labels that the samples have', async () => {
    await submit(server.url, 'echo', 1);
    await fetch(`${server.url}/v1/models/celsiusify:predict`, {
      ...{ method: 'POST', body: '{"instances": [[451]]}' },
    });
    const labelled = rows.filter(
      ({ name, labels }) => labels.length > 0 && !momentary.has(name) && !name.startsWith('dray_cluster_'),
    );
    const count = (scraped: Map<string, Family>, name: string): number =>
      scraped.get(name)?.samples.length ?? 0;
    const families = await eventually(
      () => scrape(),
      (scraped) => ['dray_attempt_duration_seconds', collections].every((name) => count(scraped, name) > 0),
    );
    expect(labelled.filter(({ name }) => count(families, name) === 0)).toEqual([]);
    const wrong = rows.flatMap(({ name, labels }) =>
      (families.get(name)?.samples ?? [])
        .map((sample) => Object.keys(sample.labels).filter((label) => label !== 'le'))
        .filter((found) => found.sort().join() !== labels.join())
        .map((found) => `${name}: ${found.join()}`),
    );
    expect(wrong).toEqual([]);
  });
});
