/** A full disk is said clearly, and costs nothing that was accepted. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, submit } from '../support/api.js';
import { canMount, mountSmallDisk, type SmallDisk } from '../support/small-disk.js';
import { startServer, type TestServer } from '../support/server.js';

let disk: SmallDisk;
let server: TestServer;

describe.runIf(canMount())('a full disk', () => {
  beforeAll(async () => {
    disk = mountSmallDisk('16m');
    server = await startServer({
      data: join(disk.path, 'data'),
      args: ['--min-executors', '2', '--max-executors', '2', '--min-free', '0'],
    });
  });
  afterAll(async () => {
    await server.stop();
    disk.remove();
  });

  it('is answered with 507 and loses nothing accepted', async () => {
    const accepted: string[] = [];
    for (let i = 0; i < 5; i++) accepted.push((await submit(server.url, 'sleep', { seconds: 1 })).id);
    const free = disk.fill();

    const upload = await fetch(`${server.url}/v1/blobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(1 << 20),
    });
    expect(upload.status).toBe(507);
    expect(upload.headers.get('retry-after')).toBe('5');
    expect(await upload.json()).toMatchObject({ code: 'storage-full' });

    // Some may still fit into the log that SQLite has allocated; then one does not, and says so.
    let refused: Response | undefined;
    for (let i = 0; i < 2_000 && !refused; i++) {
      const response = await fetch(`${server.url}/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'echo', input: { text: 'x'.repeat(8_000) } }),
      });
      if (response.status === 202) accepted.push(((await response.json()) as { id: string }).id);
      else refused = response;
    }
    expect(refused?.status).toBe(507);
    expect(await refused!.json()).toMatchObject({ code: 'storage-full' });

    free();
    for (const id of accepted) expect(await ended(server.url, id)).toMatchObject({ status: 'completed' });
  });
});
