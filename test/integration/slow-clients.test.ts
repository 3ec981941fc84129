/** Clients that hold connections without doing anything for it, over bare sockets. */
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    args: ['--header-timeout', '1s', '--body-timeout', '1s', '--answer-timeout', '1s'],
  });
});
afterAll(() => server.stop());

function open({ url } = server): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined); // being cut is what these tests are about
  return socket;
}

const head = (path: string, length: number, more = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n` +
  `Content-Length: ${length}\r\n${more}\r\n`;

/** Whether there is room for one more connection. */
async function isServed(on: TestServer): Promise<boolean> {
  const socket = open(on);
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  return (await text(socket).catch(() => '')).startsWith('HTTP/1.1 200 ');
}

/** Writes a piece again and again until the connection ends, or all has been sent. */
async function trickle(socket: Socket, piece: string, everyMs: number, times = Infinity): Promise<void> {
  for (let sent = 0; sent < times && !socket.destroyed && socket.writable; sent++) {
    socket.write(piece);
    await systemClock.sleep(everyMs);
  }
}

const blobFiles = (): number =>
  readdirSync(join(server.data, 'blobs'), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  ).length;

describe('a connection is cut', () => {
  it('that sends nothing', async () => {
    expect(await text(open())).toContain('408 Request Timeout');
  });

  it('whose head comes byte by byte', async () => {
    const socket = open();
    socket.write('GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n');
    const answer = text(socket);
    await trickle(socket, 'x', 100);
    expect(await answer).toContain('"code":"slow-client"');
  });

  it.each([
    ['with a blob', '/v1/blobs', 50_000],
    ['with matrices for a door', '/matrix_multiplication/', 50_000],
  ])('whose body comes byte by byte, %s, and leaves nothing', async (_title, path, first) => {
    const socket = open();
    socket.write(head(path, 1_000_000) + '[['.padEnd(first, ' '));
    const answer = text(socket);
    await trickle(socket, ' ', 100);
    expect(await answer).toMatch(/^HTTP\/1\.1 4(08|22) /);
    await eventually(blobFiles, (files) => files === 0);
  });

  it('whose body stops, after a request that was served', async () => {
    const socket = open();
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    const answer = text(socket);
    socket.write(`${head('/v1/blobs', 100)}x`);
    expect(await answer).toContain('408 Request Timeout');
    expect(server.output()).toContain('"url":"/v1/blobs","why":"slow body","msg":"request cut"');
  });

  it('without a word where that would pass for the answer to an earlier request', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 30 });
    const socket = open();
    socket.write(`GET /v1/jobs/${id}?wait=30s HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/jobs HTT`);
    expect(await text(socket)).toBe('');
    await fetch(`${server.url}/v1/jobs/${id}/cancel`, { method: 'POST' });
  });

  it('whose answer nobody reads', async () => {
    // The one connection that may be: that there is room for another shows that it was cut.
    const narrow = await startServer({ args: ['--answer-timeout', '1s', '--max-connections', '1'] });
    const size = 64 * 2 ** 20;
    const upload = open(narrow);
    upload.write(head('/v1/blobs', size, 'Connection: close\r\n'));
    upload.write(Buffer.alloc(size));
    const { id } = JSON.parse((await text(upload)).split('\r\n\r\n')[1]!) as { id: string };
    const socket = open(narrow);
    socket.pause();
    socket.write(`GET /v1/blobs/${id} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await once(socket, 'connect');
    await eventually(
      () => isServed(narrow),
      (served) => served,
    );
    let received = 0;
    socket.on('data', (chunk) => (received += chunk.length));
    socket.resume();
    await once(socket, 'close');
    expect(received).toBeGreaterThan(0);
    expect(received).toBeLessThan(size);
    expect(narrow.output()).toContain(`"url":"/v1/blobs/${id}","why":"nothing moved","msg":"request cut"`);
    await narrow.stop();
  });

  it('that is one too many', async () => {
    const small = await startServer({ args: ['--max-connections', '3'] });
    const served = [open(small), open(small), open(small)];
    for (const socket of served) {
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(socket, 'data');
    }
    const surplus = open(small);
    surplus.resume();
    await once(surplus, 'close');
    expect(surplus.bytesRead).toBe(0);
    served[0]!.destroy();
    await eventually(
      () => isServed(small),
      (ok) => ok,
    );
    for (const socket of served) socket.destroy();
    await small.stop();
  });
});

describe('a connection is kept', () => {
  it('whose body is slow but moves', async () => {
    const socket = open();
    const pieces = 30;
    socket.write(head('/v1/blobs', pieces * 400));
    const answer = new Promise<string>((resolve) => {
      socket.once('data', (chunk) => resolve(chunk.toString()));
    });
    await trickle(socket, 'x'.repeat(400), 100, pieces); // thrice the time, at thrice the rate
    expect(await answer).toContain('201 Created');
    socket.destroy();
  });

  it('whose client waits for a job, or listens to events', async () => {
    const gone = new AbortController();
    const events = await fetch(`${server.url}/v1/events`, { signal: gone.signal });
    const job = await submit(server.url, 'sleep', { seconds: 3 });
    const waited = await fetch(`${server.url}/v1/jobs/${job.id}?wait=30s`);
    expect(await waited.json()).toMatchObject({ status: 'completed' });
    let heard = '';
    for await (const chunk of events.body!) {
      heard += Buffer.from(chunk as Uint8Array).toString();
      if (heard.includes('"completed"')) break;
    }
    gone.abort();
  });

  it('whose client reads slowly but reads', async () => {
    const body = new Uint8Array(8 * 2 ** 20);
    const { id } = (await (await fetch(`${server.url}/v1/blobs`, { method: 'POST', body })).json()) as {
      id: string;
    };
    const socket = open();
    socket.write(`GET /v1/blobs/${id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    let received = 0;
    for await (const chunk of socket) {
      received += (chunk as Uint8Array).length;
      await systemClock.sleep(20); // some 3 MiB/s: longer than the time limit for one in which nothing is read
    }
    expect(received).toBeGreaterThan(body.length);
    await fetch(`${server.url}/v1/blobs/${id}`, { method: 'DELETE' });
  });
});
