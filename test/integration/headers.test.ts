/** What every answer tells a browser, whichever part of the server gives it. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { submit } from '../support/api.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ['--header-timeout', '500ms'] });
});
afterAll(() => server.stop());

function expectSecure(headers: Headers): void {
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
  expect(headers.get('content-security-policy')).toMatch(/default-src 'self'.*frame-ancestors 'none'/);
  for (const name of ['server', 'x-powered-by']) expect(headers.has(name), name).toBe(false);
}

describe('security headers', () => {
  it.each<[title: string, path: string, status: number, init?: RequestInit]>([
    ['a list', '/v1/jobs', 200],
    ['the figures', '/metrics', 200],
    ['health', '/healthz', 200],
    ['a stream of events', '/v1/events', 200],
    ['an address that is not there', '/nothing', 404],
    ['an address that cannot be decoded', '/%zz', 400],
    ['a request that does not fit', '/v1/jobs?limit=x', 400],
    ['a page of elsewhere', '/v1/jobs', 421, { headers: { origin: 'https://evil.example' } }],
    ['a refused body', '/v1/jobs', 415, { method: 'POST', body: 'x' }],
    ['an upload', '/v1/blobs', 201, { method: 'POST', body: 'x' }],
    ['a door', '/jobs', 200],
    ['an error of a door', '/matrix_multiplication/x', 404],
    ['a conversion', '/convert/?fahrenheit=451', 200],
    ['a conversion of nothing', '/convert/', 422],
    ['a conversion by another method', '/convert/', 405, { method: 'DELETE' }],
    [
      'a conversion for a page of elsewhere',
      '/convert/',
      421,
      { headers: { origin: 'https://evil.example' } },
    ],
  ])('are on %s, which no cache keeps', async (_title, path, status, init) => {
    const gone = new AbortController();
    const response = await fetch(server.url + path, { ...init, signal: gone.signal });
    expect(response.status).toBe(status);
    expectSecure(response.headers);
    expect(response.headers.get('cache-control')).toBe('no-store');
    gone.abort();
  });

  it('are on a result and a blob, which are never shown as pages', async () => {
    const { id } = await submit(server.url, 'matmul', { a: [[2]], b: [[3]] });
    await fetch(`${server.url}/v1/jobs/${id}?wait=30s`);
    const result = await fetch(`${server.url}/v1/jobs/${id}/result`);
    expect(result.status).toBe(200);
    expectSecure(result.headers);
    const page = { method: 'POST', body: '<script>', headers: { 'content-type': 'text/html' } };
    const { id: blob } = (await (await fetch(`${server.url}/v1/blobs`, page)).json()) as { id: string };
    const stored = await fetch(`${server.url}/v1/blobs/${blob}`);
    expectSecure(stored.headers);
    expect(stored.headers.get('content-disposition')).toMatch(/^attachment/);
  });

  it('let the list of addresses set its styles, and no more', async () => {
    const page = await fetch(`${server.url}/docs`);
    expect(page.headers.get('content-type')).toContain('text/html');
    expectSecure(page.headers);
    expect(page.headers.get('content-security-policy')).toMatch(/style-src 'self' 'unsafe-inline'$/);
    expect(await page.text()).not.toMatch(/<script>|<script[^>]*>\s*[^<\s]/);
  });

  it.each<[title: string, bytes: string, status: number, code: string]>([
    ['what is not HTTP', 'hello\r\n\r\n', 400, 'invalid-request'],
    [
      'a head that is too large',
      `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    ['a head that does not end', 'GET / HTTP/1.1\r\nHost: localhost\r\n', 408, 'slow-client'],
  ])('are on the answer to %s', async (_title, bytes, status, code) => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.write(bytes);
    const [head, body] = (await text(socket)).split('\r\n\r\n');
    const [first, ...lines] = head!.split('\r\n');
    expect(first).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expectSecure(new Headers(lines.map((line) => line.split(': ') as [string, string])));
    expect(JSON.parse(body!)).toMatchObject({ status, code });
  });
});
