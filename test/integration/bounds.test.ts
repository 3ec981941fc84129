/** What is accepted is bounded, and a refusal says when to come back. */
import { rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { act, ended, read, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';
import { canMount, mountSmallDisk, type SmallDisk } from '../support/small-disk.js';

let server: TestServer;

describe('a full queue', () => {
  beforeAll(async () => {
    server = await startServer({
      args: ['--max-waiting', '3', '--min-executors', '0', '--max-executors', '1'],
    });
  });
  afterAll(() => server.stop());

  const post = (key?: string) =>
    fetch(`${server.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== undefined && { 'idempotency-key': key }) },
      body: JSON.stringify({ type: 'echo', input: {}, delayMs: 3_600_000 }),
    });
  const statusOfPost = async (): Promise<number> => (await post()).status;

  it('refuses jobs with 429 until there is room again, and leaves those that it has', async () => {
    const first = (await (await post('a')).json()) as { id: string };
    const ids = [first.id];
    for (let index = 0; index < 2; index++)
      ids.push((await submit(server.url, 'echo', {}, { delayMs: 3_600_000 })).id);
    const full = await eventually(
      () => post(),
      ({ status }) => status !== 202,
    );
    expect(full.status).toBe(429);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await full.json()).toMatchObject({ code: 'queue-full' });
    const again = await post('a');
    expect([again.status, await again.json()]).toMatchObject([200, { id: first.id }]);
    expect((await post('b')).status).toBe(429);

    const page = await fetch(`${server.url}/v1/jobs?status=scheduled&limit=1000`);
    const { jobs } = (await page.json()) as { jobs: { id: string }[] };
    expect(jobs.map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    for (const { id } of jobs) await act(server.url, id, 'cancel');
    expect(await eventually(statusOfPost, (status) => status !== 429)).toBe(202);
  });
});

describe.runIf(canMount())('a nearly full disk', () => {
  let disk: SmallDisk;
  beforeAll(async () => {
    disk = mountSmallDisk('64m');
    const args = ['--min-free', '32m', '--max-executors', '1'];
    server = await startServer({ data: join(disk.path, 'data'), args });
  });
  afterAll(async () => {
    await server.stop();
    disk.remove();
  });

  /** Announces a body and sends nothing of it: an answer can only come before it is read. */
  const announce = (path: string, type = 'application/json') =>
    new Promise<IncomingMessage>((resolve, reject) => {
      // Large enough that it would be stored, and not just taken up.
      const headers = { 'content-type': type, 'content-length': 1_000_000 };
      const asking = request(`${server.url}${path}`, { method: 'POST', headers }, (response) => {
        response.once('close', () => asking.destroy()).resume();
        resolve(response);
      });
      asking.once('error', reject).flushHeaders();
    });
  const upload = async () => {
    const headers = { 'content-type': 'application/octet-stream' };
    return (await fetch(`${server.url}/v1/blobs`, { method: 'POST', headers, body: 'x' })).status;
  };

  it('refuses new data with 507 before it is read, wherever it comes from, until there is room', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 3 });
    const waiting = await submit(server.url, 'sleep', { seconds: 600 });
    const filler = join(disk.path, 'filler');
    writeFileSync(filler, Buffer.alloc(40 * 2 ** 20));
    await eventually(upload, (status) => status === 507);
    for (const path of [
      '/v1/jobs',
      '/v1/jobs/batch',
      '/v1/blobs',
      '/matrix-multiplication/submit-job/',
      '/matrix_multiplication/',
      '/jobs',
    ]) {
      const { statusCode, headers } = await announce(path);
      expect({ path, statusCode, retryAfter: headers['retry-after'] }).toEqual({
        path,
        statusCode: 507,
        retryAfter: '5',
      });
    }
    expect((await act(server.url, waiting.id, 'cancel')).status).toBe(200);
    expect(await ended(server.url, id)).toMatchObject({ status: 'completed' });
    expect((await read(server.url, id)).attempt).toBe(1);

    rmSync(filler);
    expect(await eventually(upload, (status) => status !== 507)).toBe(201);
    await ended(server.url, (await submit(server.url, 'echo', {})).id);
  });
});
