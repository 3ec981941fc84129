/** What a running server removes, and what it leaves. Its first pass comes at its start. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFilesystemBlobs } from '../../src/blobs/filesystem.js';
import { systemClock } from '../../src/clock.js';
import { ended, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';
import { canMount, mountSmallDisk } from '../support/small-disk.js';

const keepAll = ['--keep-for', '365d', '--keep-uploads', '365d', '--min-free', '0', '--max-executors', '1'];
const large = 'x'.repeat(100_000);

describe('a running server', () => {
  let data: string;
  let server: TestServer;

  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'dray-keep-'));
  });
  afterEach(() => server.stop());
  afterAll(() => rm(data, { recursive: true, force: true }));

  const start = async (folder: string, ...args: string[]): Promise<void> => {
    server = await startServer({ data: folder, args: [...keepAll, ...args] });
  };
  const statusOf = async (path: string): Promise<number> => (await fetch(`${server.url}${path}`)).status;
  const gone = (path: string) =>
    eventually(
      () => statusOf(path),
      (status) => status === 404,
    );
  const finished = async (text: string): Promise<{ id: string; blob: string }> => {
    const job = await ended(server.url, (await submit(server.url, 'echo', { text })).id);
    return { id: job.id, blob: job.resultBlob! };
  };
  /** An upload of two days ago. */
  const oldUpload = async (folder: string): Promise<string> => {
    const made = (systemClock.now() - 2 * 86_400_000).toString(16).padStart(12, '0');
    const id = systemClock.id().replace(/^.{13}/, `${made.slice(0, 8)}-${made.slice(8)}`);
    const blobs = await openFilesystemBlobs({
      folder: join(folder, 'blobs'),
      clock: { ...systemClock, id: () => id },
    });
    const writer = await blobs.create({ mediaType: 'application/octet-stream' });
    await writer.write(Buffer.from('x'));
    await writer.commit();
    await blobs.close();
    return id;
  };

  it('removes old jobs with their blobs, and old uploads that no job uses', async () => {
    const [used, orphan] = [await oldUpload(data), await oldUpload(data)];
    await start(data);
    const old = await finished(large);
    const rest = { delayMs: 3_600_000 };
    const waiting = await submit(server.url, 'echo', { data: { blob: used } }, rest);
    const young = await fetch(`${server.url}/v1/blobs`, { method: 'POST', body: 'y' });
    const { id: upload } = (await young.json()) as { id: string };
    expect(await statusOf(`/v1/blobs/${orphan}`)).toBe(200);
    await server.stop();
    await systemClock.sleep(1_000); // to be older than the shortest age that can be given

    await start(data, '--keep-for', '1s', '--keep-uploads', '1d');
    for (const path of [`/v1/jobs/${old.id}`, `/v1/blobs/${old.blob}`, `/v1/blobs/${orphan}`])
      await gone(path);
    for (const path of [`/v1/jobs/${waiting.id}`, `/v1/blobs/${used}`, `/v1/blobs/${upload}`]) {
      expect({ path, status: await statusOf(path) }).toEqual({ path, status: 200 });
    }
  });

  it('removes the oldest of too many jobs', async () => {
    await start(data);
    const [first, second] = [await finished(large), await finished(large)];
    await server.stop();
    await start(data, '--keep-jobs', '1');
    for (const path of [`/v1/jobs/${first.id}`, `/v1/blobs/${first.blob}`]) await gone(path);
    for (const path of [`/v1/jobs/${second.id}`, `/v1/blobs/${second.blob}`])
      expect(await statusOf(path)).toBe(200);
  });

  it.runIf(canMount())('removes the oldest jobs where blobs take too much of the disk', async () => {
    const disk = mountSmallDisk('96m');
    try {
      const folder = join(disk.path, 'data');
      await start(folder);
      const jobs: { id: string; blob: string }[] = [];
      for (let index = 0; index < 24; index++) jobs.push(await finished('x'.repeat(1_000_000)));
      await server.stop();
      await start(folder, '--disk-share', '0.25');
      await gone(`/v1/jobs/${jobs[0]!.id}`);
      await gone(`/v1/blobs/${jobs[0]!.blob}`);
      expect(await statusOf(`/v1/blobs/${jobs.at(-1)!.blob}`)).toBe(200);
      await server.stop();
    } finally {
      disk.remove();
    }
  });
});
