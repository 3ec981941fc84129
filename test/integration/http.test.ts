/** What `/v1` promises to clients, asked with fetch. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, submit, type Job } from '../support/api.js';
import { npy, readNpy } from '../support/npy.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.url + path, { headers });
const bytes = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());
const blobPart = (content: Buffer): Blob => new Blob([new Uint8Array(content)]);

async function product(a: unknown, b: unknown, rest: object = {}): Promise<Job> {
  return ended(server.url, (await submit(server.url, 'matmul', { a, b, ...rest })).id);
}

describe('matmul over HTTP', () => {
  it('multiplies rows, and gives the product as .npy or as JSON', async () => {
    const job = await product(
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    );
    expect(job).toMatchObject({
      status: 'completed',
      result: { rows: 2, cols: 2, dtype: 'float64', finite: true, check: { status: 'passed' } },
    });
    const asJson = await get(`/v1/jobs/${job.id}/result`, { accept: 'application/json' });
    expect(await asJson.text()).toBe('[[19,22],[43,50]]');
    const asNpy = await get(`/v1/jobs/${job.id}/result`);
    expect(asNpy.headers.get('content-type')).toBe('application/x-npy');
    expect([...readNpy(await bytes(asNpy)).values]).toEqual([19, 22, 43, 50]);
    expect(job.result).toMatchObject({ product: [[19, 22], [43, 50]] }); // prettier-ignore
    const range = await get(`/v1/jobs/${job.id}/result`, { range: 'bytes=0-5' });
    expect([range.status, range.headers.get('etag')]).toEqual([206, asNpy.headers.get('etag')]);
    expect((await bytes(range)).subarray(1).toString()).toBe('NUMPY');
  });

  it('reads the members of a submission in any order, whatever their size', async () => {
    const rows = Array.from({ length: 400 }, (_, i) =>
      Array.from({ length: 400 }, (_, k) => (i * 7 + k * 3) % 11),
    );
    const identity = rows.map((row, i) => row.map((_, k) => (i === k ? 1 : 0)));
    const a = JSON.stringify(rows);
    const b = JSON.stringify(identity);
    for (const body of [
      `{"type":"matmul","input":{"a":${a},"b":${b}}}`,
      `{"input":{"b":${b},"dtype":"float64","a":${a}},"type":"matmul"}`,
    ]) {
      const response = await fetch(`${server.url}/v1/jobs?wait=30s`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      const job = (await response.json()) as Job;
      expect(response.status, JSON.stringify(job)).toBe(200);
      const result = await get(`/v1/jobs/${job.id}/result`, { accept: 'application/json' });
      expect(await result.text()).toBe(a);
    }
  });

  it('keeps every bit of an input that is large', async () => {
    const values = [
      0.1,
      -0,
      5e-324,
      1.7976931348623157e308,
      123456789012345680,
      1 / 3,
      -2.2250738585072014e-308,
    ];
    const row = Array.from({ length: 2_000 }, (_, i) => values[i % values.length]!);
    const text = `[${row.map((value) => (Object.is(value, -0) ? '-0' : String(value))).join(',')}]`;
    const response = await fetch(`${server.url}/v1/jobs?wait=30s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"type":"matmul","input":{"a":[[1]],"b":[${text}],"verify":false}}`,
    });
    const { id } = (await response.json()) as Job;
    const exact = readNpy(await bytes(await get(`/v1/jobs/${id}/result`)));
    expect(
      [...exact.values].map((value, i) => Object.is(value, row[i]! * 1)).filter((same) => !same).length,
    ).toBe(
      // 1 × −0 summed onto 0 is 0 in some kernels: everything else is the same bit for bit.
      [...exact.values].filter((value, i) => Object.is(row[i], -0) && !Object.is(value, -0)).length,
    );
    const asJson = await get(`/v1/jobs/${id}/result`, { accept: 'application/json' });
    expect(JSON.parse(await asJson.text())).toEqual([[...exact.values]]);
  });

  it('takes .npy files of several kinds in one multipart request', async () => {
    const form = new FormData();
    form.set('job', JSON.stringify({ type: 'matmul', input: { dtype: 'float32' } }));
    form.set('a', blobPart(npy(2, 3, Int32Array.of(1, 2, 3, 4, 5, 6), { descr: '<i4' })), 'a.npy');
    form.set('b', blobPart(npy(3, 2, Float64Array.of(1, 3, 5, 2, 4, 6), { fortran: true })), 'b.npy');
    const response = await fetch(`${server.url}/v1/jobs?wait=30s`, { method: 'POST', body: form });
    const job = (await response.json()) as Job;
    expect(job).toMatchObject({ status: 'completed', result: { dtype: 'float32' } });
    const result = await get(`/v1/jobs/${job.id}/result`, { accept: 'application/json' });
    expect(await result.text()).toBe('[[22,28],[49,64]]');
  });

  it('uses an uploaded blob for several jobs', async () => {
    const upload = await fetch(`${server.url}/v1/blobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-npy' },
      body: blobPart(npy(2, 2, Float64Array.of(2, 0, 0, 2))),
    });
    expect(upload.status).toBe(201);
    const { id } = (await upload.json()) as { id: string };
    for (const rows of [[[1, 2]], [[3, 4]]]) {
      const job = await product(rows, { blob: id });
      const result = await get(`/v1/jobs/${job.id}/result`, { accept: 'application/json' });
      expect(await result.json()).toEqual([rows[0]!.map((value) => value * 2)]);
    }
  });

  it('gives a product that overflows as .npy, and says why not as JSON', async () => {
    const job = await product([[1e200, 1]], [[1e200], [1]]);
    expect(job).toMatchObject({
      status: 'completed',
      result: { finite: false, check: { status: 'not checked' } },
    });
    const refused = await get(`/v1/jobs/${job.id}/result`, { accept: 'application/json' });
    expect(refused.status).toBe(406);
    expect(await refused.json()).toMatchObject({ code: 'not-acceptable' });
    expect([...readNpy(await bytes(await get(`/v1/jobs/${job.id}/result`))).values]).toEqual([Infinity]);
  });

  it('refuses a form that it does not have', async () => {
    const job = await product([[1]], [[1]]);
    const refused = await get(`/v1/jobs/${job.id}/result`, { accept: 'text/csv' });
    expect(refused.status).toBe(406);
    expect(await refused.json()).toMatchObject({
      detail: expect.stringContaining('application/x-npy') as unknown,
    });
  });

  it('serves ranges of a result, and knows when it has not changed', async () => {
    const job = await product(
      [
        [1, 2],
        [3, 4],
      ],
      [
        [1, 0],
        [0, 1],
      ],
    );
    const path = `/v1/jobs/${job.id}/result`;
    const whole = await get(path);
    const all = await bytes(whole);
    const part = await get(path, { range: 'bytes=128-135' });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 128-135/${all.length}`);
    expect(await bytes(part)).toEqual(all.subarray(128, 136));
    expect(await bytes(await get(path, { range: 'bytes=-8' }))).toEqual(all.subarray(-8));
    const outside = await get(path, { range: `bytes=${all.length}-` });
    expect(outside.status).toBe(416);
    expect(outside.headers.get('content-range')).toBe(`bytes */${all.length}`);
    const etag = whole.headers.get('etag')!;
    expect((await get(path, { 'if-none-match': etag })).status).toBe(304);
    const stale = await get(path, { range: 'bytes=0-7', 'if-range': '"other"' });
    expect(stale.status).toBe(200);
  });
});

describe('a HEAD request', () => {
  it('tells the size of a result without sending it', async () => {
    const job = await product([[1, 2]], [[1], [2]]);
    const path = `${server.url}/v1/jobs/${job.id}/result`;
    const head = await fetch(path, { method: 'HEAD', headers: { range: 'bytes=0-1' } });
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).toBe(String((await bytes(await fetch(path))).length));
  });
});

describe('the list of jobs', () => {
  it('ends a page early where its jobs are large', async () => {
    const text = 'x'.repeat(30_000);
    await Promise.all(Array.from({ length: 300 }, () => submit(server.url, 'echo', { text })));
    const page = (await (await get('/v1/jobs?limit=1000')).json()) as { jobs: Job[]; nextCursor: string };
    expect(page.jobs.length).toBeLessThan(300);
    const next = (await (await get(`/v1/jobs?limit=1000&cursor=${page.nextCursor}`)).json()) as {
      jobs: Job[];
    };
    expect(next.jobs[0]!.id < page.jobs.at(-1)!.id).toBe(true);
  });

  it('is paged from the newest on, and filtered', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await submit(server.url, 'echo', { i })).id);
    for (const id of ids) await ended(server.url, id);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null && seen.length < 5) {
      const page = (await (
        await get(`/v1/jobs?type=echo&status=completed&limit=2${cursor && `&cursor=${cursor}`}`)
      ).json()) as {
        jobs: Job[];
        nextCursor: string | null;
      };
      seen.push(...page.jobs.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(seen.slice(0, 5)).toEqual([...ids].reverse());
  });
});

describe('the server', () => {
  it('describes itself', async () => {
    const document = (await (await get('/openapi.json')).json()) as { openapi: string; paths: object };
    expect(document.openapi).toMatch(/^3\./);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/jobs', '/v1/jobs/{id}', '/v1/jobs/{id}/result', '/v1/blobs', '/healthz']),
    );
    const docs = await get('/docs/');
    expect(docs.status).toBe(200);
    expect(await docs.text()).toContain('swagger');
  });

  it('is healthy and ready', async () => {
    expect(await (await get('/healthz')).json()).toEqual({ status: 'ok' });
    expect(await (await get('/readyz')).json()).toEqual({ status: 'ok' });
  });

  it('answers a wait that was too short with the job as it is', async () => {
    const response = await fetch(`${server.url}/v1/jobs?wait=50ms`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"type":"sleep","input":{"seconds":30}}',
    });
    expect(response.status).toBe(202);
    const job = (await response.json()) as Job;
    expect(response.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
    expect(['pending', 'in-progress']).toContain(job.status);
    await fetch(`${server.url}/v1/jobs/${job.id}/cancel`, { method: 'POST' });
  });

  it('keeps a request id that the client gives', async () => {
    const response = await get('/healthz', { 'x-request-id': 'mine-1' });
    expect(response.headers.get('x-request-id')).toBe('mine-1');
  });
});
