/** Every bad input gets a 4xx that says what was wrong and where, and leaves nothing behind. */
import { get } from 'node:http';
import { connect } from 'node:net';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npy } from '../support/npy.js';
import { startServer, type TestServer } from '../support/server.js';
import { eventually } from '../support/eventually.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ['--body-limit', '4m'] });
});
afterAll(() => server.stop());

interface Problem {
  status: number;
  code: string;
  detail: string;
  field?: string;
  requestId: string;
}

async function post(
  path: string,
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string>,
): Promise<Problem> {
  const response = await fetch(server.url + path, { method: 'POST', body, headers, duplex: 'half' });
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = (await response.json()) as Problem;
  expect(problem.status).toBe(response.status);
  expect(problem.requestId).toBe(response.headers.get('x-request-id'));
  return problem;
}

const json = { 'content-type': 'application/json' };
const product = (a: string, b = '[[1],[1]]'): string => `{"type":"matmul","input":{"a":${a},"b":${b}}}`;
const multipart = (a: Buffer, b = npy(2, 2, new Float64Array(4))): FormData => {
  const form = new FormData();
  form.set('type', 'matmul');
  form.set('a', new Blob([new Uint8Array(a)]), 'a.npy');
  form.set('b', new Blob([new Uint8Array(b)]), 'b.npy');
  return form;
};

async function leftovers(): Promise<{ jobs: number; files: string[] }> {
  const { jobs } = (await (await fetch(`${server.url}/v1/jobs`)).json()) as { jobs: unknown[] };
  const entries = readdirSync(join(server.data, 'blobs'), { recursive: true, withFileTypes: true });
  return { jobs: jobs.length, files: entries.filter((entry) => entry.isFile()).map((entry) => entry.name) };
}

const long = Array.from({ length: 3_000 }, (_, i) => `[${i},1]`).join(',');

describe('a JSON submission is refused', () => {
  it.each<[title: string, body: string, code: string, detail: RegExp, field?: string]>([
    ['with ragged rows', product('[[1,2],[3]]'), 'invalid-matrix', /row 2/, 'input.a'],
    [
      'with ragged rows far down a large matrix',
      product(`[${long},[1]]`),
      'invalid-matrix',
      /row 3001/,
      'input.a',
    ],
    ...['constructor', 'toString', '__proto__'].map((key): [string, string, string, RegExp] => [
      `with a member named ${key}`,
      `{"type":"matmul","input":{"a":[[1]],"b":[[1]],"${key}":1}}`,
      'invalid-request',
      /input/,
    ]),
    ['with an empty matrix', product('[]'), 'invalid-matrix', /empty|at least one row/, 'input.a'],
    ['with an empty row', product('[[]]'), 'invalid-matrix', /row 1/, 'input.a'],
    ['with shapes that do not fit', product('[[1,2,3]]'), 'shape-mismatch', /1 × 3.*2 × 1/],
    ['with a string among the numbers', product('[[1,"x"]]'), 'invalid-matrix', /row 1, column 2/, 'input.a'],
    ['with null among the numbers', product('[[1,null]]'), 'invalid-matrix', /row 1, column 2/, 'input.a'],
    ['with NaN', product('[[1,2],[NaN,1]]'), 'invalid-matrix', /row 2, column 1/, 'input.a'],
    ['with Infinity', product('[[1,Infinity]]'), 'invalid-matrix', /row 1, column 2/, 'input.a'],
    ['with -Infinity', product('[[1,-Infinity]]'), 'invalid-matrix', /row 1, column 2/, 'input.a'],
    [
      'with a number beyond double',
      product('[[1,1e999]]'),
      'invalid-matrix',
      /row 1, column 2.*double/,
      'input.a',
    ],
    ['with a third level of brackets', product('[[[1]]]'), 'invalid-matrix', /row 1, column 1/, 'input.a'],
    [
      'with a number that JSON does not allow',
      product('[[1,02]]'),
      'invalid-matrix',
      /row 1, column 2/,
      'input.a',
    ],
    ['cut short', '{"type":"matmul","input":{"a":[[1,2', 'invalid-json', /end/],
    ['with text after it', `${product('[[1,2]]')} x`, 'invalid-json', /after/],
    ['without a body', '', 'invalid-json', /empty/],
    ['that is no object', '[1]', 'invalid-request', /object/],
    [
      'with a depth bomb',
      `{"type":"echo","input":${'['.repeat(5_000)}`,
      'limit-exceeded',
      /nests deeper/,
      'input',
    ],
    ['of an unknown type', '{"type":"nope","input":{}}', 'unknown-type', /matmul/, 'type'],
    ['without a type', '{"input":{}}', 'invalid-request', /type/, 'type'],
    ['with an unknown member', '{"type":"echo","inputs":{}}', 'invalid-request', /inputs/, 'inputs'],
    [
      'with an unknown member of the input',
      product('[[1,2]]').replace('}}', ',"c":1}}'),
      'invalid-request',
      /c\b/,
    ],
    ['with a member twice', '{"type":"echo","type":"sleep"}', 'invalid-json', /type/, 'type'],
    ['without one of the matrices', '{"type":"matmul","input":{"a":[[1]]}}', 'invalid-request', /b\b/],
    ['with a url on one machine', product('{"url":"s3://x/a.npy"}'), 'unsupported-source', /blob/, 'input.a'],
    [
      'with a blob that is not there',
      product('{"blob":"019f0000-0000-7000-8000-000000000000"}'),
      'blob-not-found',
      /./,
      'input.a',
    ],
    ['with a blob id that is a path', product('{"blob":"../../etc/passwd"}'), 'invalid-request', /a/],
    [
      'with dimensions over the limit',
      product('{"random":{"rows":1000000,"cols":1000000,"seed":1}}'),
      'limit-exceeded',
      /4,?000,?000,?000/,
    ],
    [
      'with a product over the limit',
      product('{"random":{"rows":3000000000,"cols":1,"seed":1}}', '{"random":{"rows":1,"cols":2,"seed":1}}'),
      'limit-exceeded',
      /product/,
    ],
    [
      'with a wrong dtype',
      product('[[1,2]]').replace('}}', ',"dtype":"float16"}}'),
      'invalid-request',
      /dtype/,
    ],
    ['with a bad retry policy', '{"type":"echo","retry":{"attempts":0}}', 'invalid-request', /attempts/],
    ['with a timeout that is no number', '{"type":"echo","timeoutMs":"1s"}', 'invalid-request', /timeoutMs/],
    ['with a bad input of sleep', '{"type":"sleep","input":{"seconds":-1}}', 'invalid-request', /seconds/],
  ])('%s', async (_title, body, code, detail, field) => {
    const problem = await post('/v1/jobs', body, json);
    expect(problem).toMatchObject({ code, detail: expect.stringMatching(detail) as unknown });
    expect(problem.status).toBe(problem.code === 'blob-not-found' ? 404 : 400);
    if (field !== undefined) expect(problem.field).toBe(field);
    expect(await leftovers()).toEqual({ jobs: 0, files: [] });
  });

  it('above the body limit, by its announced length', async () => {
    const problem = await post('/v1/jobs', `{"type":"echo","input":"${'x'.repeat(4_400_000)}"}`, json);
    expect(problem).toMatchObject({ status: 413, code: 'body-too-large' });
  });

  it('above the body limit, when the length is not announced', async () => {
    const rows = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from('{"type":"matmul","input":{"a":[[1')),
      pull: (controller) => controller.enqueue(Buffer.from(',1'.repeat(10_000))),
    });
    const problem = await post('/v1/jobs', rows, json);
    expect(problem).toMatchObject({ status: 413, code: 'body-too-large' });
    await eventually(leftovers, (left) => left.files.length === 0 && left.jobs === 0);
  });

  it('in a content type that is not JSON', async () => {
    const problem = await post('/v1/jobs', '<a/>', { 'content-type': 'text/xml' });
    expect(problem).toMatchObject({ status: 415, code: 'unsupported-media-type' });
  });
});

describe('an .npy submission is refused', () => {
  const four = new Float64Array(4);
  it.each<[title: string, a: Buffer, detail: RegExp]>([
    ['that is no .npy', Buffer.from('hello, this is not numpy'), /magic|\.npy/i],
    ['in big-endian order', npy(2, 2, four, { descr: '>f8' }), /big-endian|>f8/],
    ['of objects', npy(2, 2, four, { descr: '|O' }), /object|\|O/],
    ['of complex numbers', npy(1, 2, four, { descr: '<c16' }), /c16/],
    ['with less data than announced', npy(3, 2, four), /length|bytes/],
    ['with more data than announced', npy(1, 2, four), /length|bytes/],
    [
      'with one dimension',
      npy(0, 0, four, { header: "{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }" }),
      /dimension|2-D|two/,
    ],
    ['with an empty dimension', npy(0, 4, undefined), /row|dimension|empty/],
    ['with dimensions over the limit', npy(1e6, 1e6, four), /./],
    ['with a header that is no dictionary', npy(0, 0, four, { header: '__import__("os")' }), /header/],
    ['cut off in its header', npy(2, 2, four).subarray(0, 30), /header|bytes|ends/],
  ])('%s', async (_title, a, detail) => {
    const problem = await post('/v1/jobs', multipart(a), {});
    expect(problem.status).toBe(400);
    expect(['invalid-npy', 'limit-exceeded']).toContain(problem.code);
    expect(problem.detail).toMatch(detail);
    expect(problem.field).toBe('input.a');
    expect(await leftovers()).toEqual({ jobs: 0, files: [] });
  });

  it.each<[title: string, body: string, code: string]>([
    [
      'without a closing boundary',
      '--x\r\nContent-Disposition: form-data; name="type"\r\n\r\nmatmul',
      'upload-incomplete',
    ],
    [
      'without a type',
      '--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n1\r\n--x--\r\n',
      'invalid-request',
    ],
    [
      'with an unknown text part',
      '--x\r\nContent-Disposition: form-data; name="kind"\r\n\r\n1\r\n--x--\r\n',
      'invalid-request',
    ],
    [
      'with a broken job part',
      '--x\r\nContent-Disposition: form-data; name="job"\r\n\r\n{\r\n--x--\r\n',
      'invalid-json',
    ],
  ])('as multipart %s', async (_title, body, code) => {
    const problem = await post('/v1/jobs', body, { 'content-type': 'multipart/form-data; boundary=x' });
    expect(problem).toMatchObject({ status: 400, code });
    expect(await leftovers()).toEqual({ jobs: 0, files: [] });
  });

  it.each<[title: string, job: string, code: string, detail: RegExp]>([
    [
      'nests too deep',
      `{"type":"echo","input":${'['.repeat(200)}${']'.repeat(200)}}`,
      'limit-exceeded',
      /nests/,
    ],
    ['has a number beyond double', '{"type":"echo","input":{"x":1e999}}', 'invalid-json', /double/],
    ['is no object', '[1]', 'invalid-request', /object/],
  ])('whose job part %s', async (_title, job, code, detail) => {
    const form = new FormData();
    form.set('job', job);
    const problem = await post('/v1/jobs', form, {});
    expect(problem).toMatchObject({ status: 400, code, detail: expect.stringMatching(detail) as unknown });
    expect(await leftovers()).toEqual({ jobs: 0, files: [] });
  });

  it('as multipart above the body limit, in several parts below it', async () => {
    const part = (name: string): string =>
      `--x\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\n\r\n${'x'.repeat(2_500_000)}\r\n`;
    const chunks = [part('a'), part('b'), '--x--\r\n'].map((text) => Buffer.from(text));
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const next = chunks.shift();
        if (next) controller.enqueue(next);
        else controller.close();
      },
    });
    const problem = await post('/v1/jobs', body, { 'content-type': 'multipart/form-data; boundary=x' });
    expect(problem).toMatchObject({ status: 413, code: 'body-too-large' });
    await eventually(leftovers, (left) => left.files.length === 0 && left.jobs === 0);
  });

  it('as multipart without a boundary', async () => {
    const problem = await post('/v1/jobs', 'x', { 'content-type': 'multipart/form-data' });
    expect(problem).toMatchObject({ status: 400, code: 'invalid-request' });
  });
});

describe('a request is refused', () => {
  it.each<[title: string, path: string, status: number, code: string]>([
    ['with a status that does not exist', '/v1/jobs?status=done', 400, 'invalid-request'],
    ['with an unknown query member', '/v1/jobs?stauts=failed', 400, 'invalid-request'],
    ['with a limit that is no whole number', '/v1/jobs?limit=1.5', 400, 'invalid-request'],
    ['with a limit that is a word', '/v1/jobs?limit=true', 400, 'invalid-request'],
    ['with a limit over the page size', '/v1/jobs?limit=100000', 400, 'invalid-request'],
    ['with a cursor that was made up', '/v1/jobs?cursor=zzz', 400, 'invalid-request'],
    ['with an id that is none', '/v1/jobs/7', 400, 'invalid-request'],
    ['for a job that is not there', '/v1/jobs/019f0000-0000-7000-8000-000000000000', 404, 'job-not-found'],
    [
      'for a result that is not there',
      '/v1/jobs/019f0000-0000-7000-8000-000000000000/result',
      404,
      'job-not-found',
    ],
    [
      'for a blob that was never uploaded',
      '/v1/blobs/019f0000-0000-7000-8000-000000000000',
      404,
      'blob-not-found',
    ],
    [
      'with a wait that is no time',
      '/v1/jobs/019f0000-0000-7000-8000-000000000000?wait=soon',
      400,
      'invalid-request',
    ],
    [
      'with a wait that is too long',
      '/v1/jobs/019f0000-0000-7000-8000-000000000000?wait=1h',
      400,
      'invalid-request',
    ],
    ['at an address where there is nothing', '/v2/jobs', 404, 'route-not-found'],
    ['at an address that cannot be decoded', '/v1/jobs/%ZZ', 400, 'invalid-request'],
    ['with an id that is far too long', `/v1/jobs/${'7'.repeat(500)}`, 400, 'invalid-request'],
  ])('%s', async (_title, path, status, code) => {
    const response = await fetch(server.url + path);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ status, code });
  });
});

describe('a web page of elsewhere', () => {
  it.each<[title: string, headers: Record<string, string>, path: string]>([
    ['by a name that resolves to loopback', { host: 'evil.example' }, '/v1/jobs'],
    ['across sites', { origin: 'https://evil.example' }, '/v1/jobs'],
    ['where no route can be found', { host: 'evil.example' }, '/%zz'],
    ['where nothing is', { host: 'evil.example' }, '/nothing'],
  ])('is refused %s', async (_title, headers, path) => {
    const { hostname, port } = new URL(server.url);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      get({ hostname, port, path, headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on('error', reject);
    });
    expect(status).toBe(421);
  });
});

describe('a client that hangs up half-way', () => {
  it.each<[title: string, head: string, body: string]>([
    [
      'leaves nothing of a JSON matrix',
      'application/json',
      `{"type":"matmul","input":{"a":[${`${long},`.repeat(60)}`,
    ],
    ['leaves nothing of an early input', 'application/json', `{"input":{"a":[${long.repeat(60)}`],
    ['leaves nothing of a blob', 'application/octet-stream', 'x'.repeat(300_000)],
    [
      'leaves nothing of a multipart upload',
      'multipart/form-data; boundary=x',
      `--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n${'x'.repeat(300_000)}`,
    ],
  ])('%s', async (_title, contentType, body) => {
    const path = contentType.includes('octet') ? '/v1/blobs' : '/v1/jobs';
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    const before = (await leftovers()).files.length;
    await new Promise<void>((resolve) => {
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${contentType}\r\nContent-Length: 3900000\r\n\r\n`,
      );
      socket.write(body, () => resolve());
    });
    // Something must be on disk before the client leaves, or the test would show nothing.
    await eventually(leftovers, (left) => left.files.length > before);
    socket.destroy();
    await eventually(leftovers, (left) => left.files.length === 0);
    expect(await leftovers()).toEqual({ jobs: 0, files: [] });
  });
});
