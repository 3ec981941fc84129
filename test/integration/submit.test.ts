/** Submitting over HTTP: order, time, keys, labels, batches, and requests that are sent again. */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { openSqliteEngine } from '../../src/engine/sqlite/index.js';
import { ended, read, submit, type Job } from '../support/api.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

interface Problem {
  code: string;
  detail: string;
  field?: string;
}

const json = { 'content-type': 'application/json' };

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(server.url + path, { method: 'POST', headers: { ...json, ...headers }, body: text });
}

async function refused(response: Response): Promise<Problem & { status: number }> {
  const problem = (await response.json()) as Problem;
  return { ...problem, status: response.status };
}

async function count(): Promise<number> {
  let jobs = 0;
  let cursor: string | null = '';
  while (cursor !== null) {
    const page = await fetch(`${server.url}/v1/jobs?limit=1000${cursor && `&cursor=${cursor}`}`);
    const answer = (await page.json()) as { jobs: Job[]; nextCursor: string | null };
    jobs += answer.jobs.length;
    cursor = answer.nextCursor;
  }
  return jobs;
}

function blobFiles(): string[] {
  const entries = readdirSync(join(server.data, 'blobs'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
}

const day = 86_400_000;
const later = (): string => new Date(Date.parse('2026-01-01') + 400 * 365 * day).toISOString();

describe('a submission', () => {
  it('is shown with its priority, key and labels', async () => {
    const shown = {
      priority: 'high',
      concurrencyKey: 'shown-ä',
      labels: { team: 'red', 'cost/centre.1': 'a=b:c' },
    };
    const job = await submit(server.url, 'echo', 1, { ...shown, maxConcurrency: 2 });
    expect(job).toMatchObject(shown);
    expect(await read(server.url, job.id)).toMatchObject(shown);
  });

  it('takes its members in any order', async () => {
    const text =
      '{"labels":{"a":"b"},"delayMs":0,"input":"first","maxConcurrency":3,"priority":"low","concurrencyKey":"any","type":"echo"}';
    const job = (await (await post('/v1/jobs?wait=30s', text)).json()) as Job;
    expect(job).toMatchObject({ status: 'completed', result: 'first', priority: 'low', labels: { a: 'b' } });
  });

  it('takes the same members as the text part of a multipart body', async () => {
    const form = new FormData();
    form.set(
      'job',
      JSON.stringify({ type: 'echo', priority: 'high', delayMs: day, labels: { form: 'yes' } }),
    );
    const response = await fetch(`${server.url}/v1/jobs`, { method: 'POST', body: form });
    expect(await response.json()).toMatchObject({
      status: 'scheduled',
      priority: 'high',
      labels: { form: 'yes' },
    });
  });

  it('with a delay is scheduled until then', async () => {
    const { status, runAt, createdAt } = await submit(server.url, 'echo', 1, { delayMs: day });
    expect(status).toBe('scheduled');
    expect(Math.abs(Date.parse(runAt!) - Date.parse(createdAt) - day)).toBeLessThan(day / 2);
  });

  it('with a time ahead, in any zone, is scheduled until then', async () => {
    const at = new Date(Date.parse((await submit(server.url, 'echo', 1)).createdAt) + day);
    const zoned = new Date(at.getTime() + 2 * 3_600_000).toISOString().replace('Z', '+02:00');
    expect(await submit(server.url, 'echo', 1, { runAt: zoned })).toMatchObject({
      status: 'scheduled',
      runAt: at.toISOString(),
    });
  });

  it('with a time that has passed runs at once', async () => {
    const { id } = await submit(server.url, 'echo', 'late', { runAt: '1960-01-01T00:00:00Z' });
    expect(await ended(server.url, id)).toMatchObject({ status: 'completed', result: 'late' });
  });

  it('above the places of its key is held until one is free', async () => {
    const options = { concurrencyKey: 'one at a time' };
    const first = await submit(server.url, 'sleep', { seconds: 60 }, options);
    const second = await submit(server.url, 'sleep', { seconds: 0 }, options);
    expect(first).not.toHaveProperty('held');
    expect(second).toMatchObject({ status: 'pending', held: true });
    await fetch(`${server.url}/v1/jobs/${first.id}/cancel`, { method: 'POST' });
    expect(await ended(server.url, second.id)).toMatchObject({ status: 'completed' });
  });

  it('is found by its label, written with = or :', async () => {
    const { id } = await submit(server.url, 'echo', 1, { labels: { batch: 'x=1:2' } });
    await submit(server.url, 'echo', 1, { labels: { batch: 'x' } });
    for (const label of ['batch=x=1:2', 'batch:x=1:2']) {
      const response = await fetch(`${server.url}/v1/jobs?label=${encodeURIComponent(label)}`);
      const { jobs } = (await response.json()) as { jobs: Job[] };
      expect(jobs.map((job) => job.id)).toEqual([id]);
    }
    const response = await fetch(`${server.url}/v1/jobs?label=batch`);
    expect(await refused(response)).toMatchObject({ status: 400, field: 'querystring.label' });
  });
});

describe('a submission is refused, and nothing is stored,', () => {
  it.each<[title: string, members: object, field: string]>([
    ['with a priority that is none', { priority: 'urgent' }, 'priority'],
    ['with a negative delay', { delayMs: -1 }, 'delayMs'],
    ['with a delay of more than a year', { delayMs: 366 * day }, 'delayMs'],
    ['with a delay that is no whole number', { delayMs: 0.5 }, 'delayMs'],
    ['with a delay and a time', { delayMs: 1, runAt: '2026-01-01T00:00:00Z' }, 'runAt'],
    ['with a time that is none', { runAt: 'tomorrow' }, 'runAt'],
    ['with a time without a zone', { runAt: '2026-01-01T00:00:00' }, 'runAt'],
    ['with a time of more than a year ahead', { runAt: later() }, 'runAt'],
    ['with an empty key', { concurrencyKey: '' }, 'concurrencyKey'],
    ['with a long key', { concurrencyKey: 'k'.repeat(257) }, 'concurrencyKey'],
    ['with a control character in its key', { concurrencyKey: 'a\0b' }, 'concurrencyKey'],
    ['with half a character in its key', { concurrencyKey: '\ud800' }, 'concurrencyKey'],
    ['with places and no key', { maxConcurrency: 2 }, 'maxConcurrency'],
    ['with no place', { concurrencyKey: 'k', maxConcurrency: 0 }, 'maxConcurrency'],
    ['with too many places', { concurrencyKey: 'k', maxConcurrency: 10_001 }, 'maxConcurrency'],
    ['with labels that are no object', { labels: ['a'] }, 'labels'],
    ['with a label that is no string', { labels: { a: 1 } }, 'labels.a'],
    ['with a long label', { labels: { a: 'x'.repeat(257) } }, 'labels.a'],
    ['with a control character in a label', { labels: { a: 'x\n' } }, 'labels.a'],
    ['with a space in the name of a label', { labels: { 'a b': 'c' } }, 'labels.a b'],
    ['with a label without a name', { labels: { '': 'c' } }, 'labels.'],
    [
      'with too many labels',
      { labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, ''])) },
      'labels',
    ],
    ['with a member that is not known', { prioriti: 'high' }, 'prioriti'],
  ])('%s', async (_title, members, field) => {
    const before = await count();
    const problem = await refused(await post('/v1/jobs', { type: 'echo', input: 1, ...members }));
    expect(problem).toMatchObject({ status: 400, code: 'invalid-request', field });
    expect(problem.detail).toContain(field);
    const form = new FormData();
    form.set('job', JSON.stringify({ type: 'echo', ...members }));
    expect((await fetch(`${server.url}/v1/jobs`, { method: 'POST', body: form })).status).toBe(400);
    expect(await count()).toBe(before);
  });

  it('where its input names too many blobs', async () => {
    const before = await count();
    const input = Array.from({ length: 1_001 }, (_, i) => ({
      blob: `00000000-0000-7000-8000-${String(i).padStart(12, '0')}`,
    }));
    expect(await refused(await post('/v1/jobs', { type: 'echo', input }))).toMatchObject({
      status: 400,
      code: 'limit-exceeded',
      field: 'input',
    });
    expect(await count()).toBe(before);
  });
});

describe('a batch', () => {
  it('is accepted in its order', async () => {
    const jobs = Array.from({ length: 1_000 }, (_, i) => ({ type: 'echo', input: i, labels: { i: `${i}` } }));
    const response = await post('/v1/jobs/batch', { jobs });
    expect(response.status).toBe(202);
    const answer = (await response.json()) as { jobs: Job[] };
    expect(answer.jobs.map(({ labels }) => labels.i)).toEqual(jobs.map(({ labels }) => labels.i));
    expect(await ended(server.url, answer.jobs[999]!.id)).toMatchObject({ result: 999 });
  });

  it('takes matrices as rows and by reference', async () => {
    const random = { random: { rows: 2, cols: 1, seed: 1 } };
    const response = await post('/v1/jobs/batch', {
      jobs: [
        { type: 'matmul', input: { a: [[1, 2]], b: [[3], [4]] } },
        { type: 'matmul', input: { a: [[1, 2]], b: random } },
      ],
    });
    const { jobs } = (await response.json()) as { jobs: Job[] };
    expect(await ended(server.url, jobs[0]!.id)).toMatchObject({ result: { product: [[11]] } });
    expect(await ended(server.url, jobs[1]!.id)).toMatchObject({ status: 'completed' });
  });

  const good = { type: 'echo', input: 'x'.repeat(40_000) };
  it.each<[title: string, body: unknown, code: string, field: string | undefined]>([
    ['without jobs', {}, 'invalid-request', 'jobs'],
    ['with jobs that are no array', { jobs: {} }, 'invalid-request', 'jobs'],
    ['with no job', { jobs: [] }, 'invalid-request', 'jobs'],
    ['with too many jobs', { jobs: Array(1_001).fill({ type: 'echo' }) }, 'limit-exceeded', 'jobs'],
    ['with another member', { jobs: [good], type: 'echo' }, 'invalid-request', 'type'],
    ['that is no object', '[]', 'invalid-request', undefined],
    ['that is not JSON', '{"jobs": [', 'invalid-json', undefined],
    ['with a job that is none', { jobs: [good, 7] }, 'invalid-request', 'jobs[1]'],
    ['with a job without a type', { jobs: [good, {}] }, 'invalid-request', 'jobs[1]'],
    ['with a job of no known type', { jobs: [good, { type: 'no' }] }, 'unknown-type', 'jobs[1].type'],
    [
      'with a job with a bad label',
      { jobs: [good, { type: 'echo', labels: { a: 1 } }] },
      'invalid-request',
      'jobs[1].labels.a',
    ],
    [
      'with a job whose input does not fit',
      { jobs: [good, good, { type: 'matmul', input: { a: [[1], [1, 2]], b: [[1]] } }] },
      'invalid-matrix',
      'jobs[2].input.a',
    ],
  ])('%s is refused and nothing of it stored', async (_title, body, code, field) => {
    const before = { jobs: await count(), files: blobFiles() };
    const problem = await refused(await post('/v1/jobs/batch', body));
    expect(problem).toMatchObject({ status: 400, code });
    expect(problem.field).toBe(field);
    expect({ jobs: await count(), files: blobFiles() }).toEqual(before);
  });

  it('is not waited for', async () => {
    const problem = await refused(await post('/v1/jobs/batch?wait=1s', { jobs: [good] }));
    expect(problem).toMatchObject({ status: 400, field: 'querystring.wait' });
    expect(problem.detail).toMatch(/each of its jobs/);
  });

  it('larger than a JSON value may be is refused', async () => {
    const jobs = Array(17).fill({ type: 'echo', input: 'x'.repeat(2 ** 20) });
    expect(await refused(await post('/v1/jobs/batch', { jobs }))).toMatchObject({ code: 'body-too-large' });
  });

  it('under an Idempotency-Key is stored once', async () => {
    const key = { 'idempotency-key': 'batch-1' };
    const body = { jobs: [good, { type: 'echo', input: 2 }] };
    const first = (await (await post('/v1/jobs/batch', body, key)).json()) as { jobs: Job[] };
    for (const { id } of first.jobs) await ended(server.url, id);
    const files = blobFiles();
    const again = await post('/v1/jobs/batch', body, key);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    const { jobs } = (await again.json()) as { jobs: Job[] };
    expect(jobs.map(({ id }) => id)).toEqual(first.jobs.map(({ id }) => id));
    expect(blobFiles()).toEqual(files);
  });
});

describe('an Idempotency-Key', () => {
  it('gives the first job as it is now', async () => {
    const key = { 'idempotency-key': 'again' };
    const body = { type: 'echo', input: 'again' };
    const first = await post('/v1/jobs', body, key);
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([202, null]);
    const { id } = (await first.json()) as Job;
    await ended(server.url, id);
    const again = await post('/v1/jobs', body, key);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    expect(again.headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect(await again.json()).toMatchObject({ id, status: 'completed' });
    const waited = await post('/v1/jobs?wait=30s', body, key);
    expect(await waited.json()).toMatchObject({ id });
  });

  it('with another body, content type or address is a conflict', async () => {
    const key = { 'idempotency-key': 'conflict' };
    const body = { type: 'echo', input: 'one' };
    await post('/v1/jobs', body, key);
    const before = await count();
    for (const other of [
      post('/v1/jobs', { ...body, input: 'two' }, key),
      post('/v1/jobs', `${JSON.stringify(body)} `, key),
      post('/v1/jobs', body, { ...key, 'content-type': 'application/json; charset=utf-8' }),
      post('/v1/jobs/batch', { jobs: [body] }, key),
    ]) {
      expect(await refused(await other)).toMatchObject({ status: 409, code: 'idempotency-conflict' });
    }
    expect(await count()).toBe(before);
  });

  it('whose request was refused may be used again', async () => {
    const key = { 'idempotency-key': 'refused' };
    expect((await post('/v1/jobs', { type: 'none' }, key)).status).toBe(400);
    expect((await post('/v1/jobs', { type: 'echo' }, key)).status).toBe(202);
  });

  it('of two requests at once stores one job', async () => {
    const key = { 'idempotency-key': 'at-once' };
    const before = await count();
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => post('/v1/jobs', { type: 'echo', input: 'x'.repeat(40_000) }, key)),
    );
    const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as Job).id));
    expect(new Set(ids).size).toBe(1);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(await count()).toBe(before + 1);
  });

  it.each([
    ['that is empty', ''],
    ['with a space', 'a b'],
    ['of 256 characters', 'k'.repeat(256)],
    ['outside of ASCII', 'é'],
  ])('%s is refused', async (_title, key) => {
    const response = await post('/v1/jobs', { type: 'echo' }, { 'idempotency-key': key });
    expect(await refused(response)).toMatchObject({
      status: 400,
      code: 'invalid-request',
      field: 'headers.idempotency-key',
    });
  });

  it('holds for a multipart body with the same boundary', async () => {
    const part =
      '--b\r\nContent-Disposition: form-data; name="job"\r\n\r\n{"type":"echo","input":{}}\r\n--b--\r\n';
    const headers = { 'content-type': 'multipart/form-data; boundary=b', 'idempotency-key': 'multipart' };
    const { id } = (await (await post('/v1/jobs', part, headers)).json()) as Job;
    const again = await post('/v1/jobs', part, headers);
    expect(again.status).toBe(200);
    expect(await again.json()).toMatchObject({ id });
    const other = await post('/v1/jobs', part.replace('{}', '{"a":1}'), headers);
    expect(other.status).toBe(409);
  });

  it('holds for a matrix of 20 MB, also after a restart, and keeps one copy of it', async () => {
    const data = await mkdtemp(join(tmpdir(), 'dray-submit-'));
    const outer = server;
    server = await startServer({ data });
    try {
      const row = `[${Array.from({ length: 1_000 }, (_, i) => `${i}.000000000000001`).join(',')}]`;
      const a = `[${Array(1_050).fill(row).join(',')}]`;
      const body = `{"type":"matmul","input":{"a":${a},"b":{"random":{"rows":1000,"cols":1,"seed":1}}}}`;
      expect(body.length).toBeGreaterThan(20e6);
      const key = { 'idempotency-key': 'large' };
      const { id } = (await (await post('/v1/jobs', body, key)).json()) as Job;
      await ended(server.url, id);
      const files = blobFiles();
      const again = await post('/v1/jobs', body, key);
      expect([again.status, ((await again.json()) as Job).id]).toEqual([200, id]);
      expect(blobFiles()).toEqual(files);
      await server.stop();
      server = await startServer({ data });
      const restarted = await post('/v1/jobs', body, key);
      expect([restarted.status, ((await restarted.json()) as Job).id]).toEqual([200, id]);
      expect(blobFiles()).toEqual(files);
      const changed = body.replace('[0.000000000000001', '[0.000000000000002');
      expect((await post('/v1/jobs', changed, key)).status).toBe(409);
      expect(blobFiles()).toEqual(files);
    } finally {
      await server.stop();
      server = outer;
      await rm(data, { recursive: true, force: true });
    }
  });
});

describe('the blobs of a job', () => {
  it('are in use: those that its input and result name, and those that hold them', async () => {
    const data = await mkdtemp(join(tmpdir(), 'dray-submit-'));
    const outer = server;
    server = await startServer({ data });
    try {
      const upload = await fetch(`${server.url}/v1/blobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: 'x',
      });
      const { id: named } = (await upload.json()) as { id: string };
      const input = { deep: [{ blob: named }], rest: 'x'.repeat(40_000) };
      const large = await ended(server.url, (await submit(server.url, 'echo', input)).id);
      const random = { random: { rows: 40, cols: 40, seed: 1 } };
      const product = await ended(
        server.url,
        (await submit(server.url, 'matmul', { a: random, b: random })).id,
      );
      const blobs = [named, large.inputBlob!, large.resultBlob!, (product.result as { blob: string }).blob];
      await server.stop();
      const engine = await openSqliteEngine({ file: join(data, 'jobs.sqlite'), clock: systemClock });
      try {
        const other = '00000000-0000-7000-8000-000000000000';
        expect(await engine.unusedBlobs({ blobs: [...blobs, other] })).toEqual([other]);
      } finally {
        await engine.close();
      }
    } finally {
      await server.stop();
      server = outer;
      await rm(data, { recursive: true, force: true });
    }
  });
});
