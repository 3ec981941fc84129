/** What only the store in a bucket has; the rest is in test/conformance/blob-store.ts. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startS3 } from '../../scripts/services/s3.mjs';
import { canMount, mountSmallDisk } from '../../test/support/small-disk.js';
import { s3Bucket } from '../../test/support/services.js';
import { systemClock } from '../clock.js';
import { madeAt } from '../jobs/retention.js';
import type { BlobInfo, BlobStore } from './blob-store.js';
import { checkBucket, openS3Blobs, type S3Options } from './s3.js';
import { Bucket } from './s3/bucket.js';

const clock = systemClock;
const mediaType = 'application/x-npy';
const hour = 3_600_000;
const given = await s3Bucket();
Object.assign(process.env, given?.env);

async function put(store: BlobStore, bytes: Uint8Array): Promise<BlobInfo> {
  const writer = await store.create({ mediaType });
  await writer.write(bytes);
  return writer.commit();
}

async function content(store: BlobStore, id: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read({ id })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.skipIf(given === undefined)('a bucket', () => {
  let place: S3Options;
  let bucket: Bucket;
  let store: BlobStore;
  const opened: BlobStore[] = [];
  const open = (own: Partial<S3Options> = {}): BlobStore => {
    const another = openS3Blobs({ ...place, ...own });
    opened.push(another);
    return another;
  };

  beforeEach(() => {
    const { bucket: name, endpoint } = given!;
    place = { bucket: name, endpoint, prefix: `${clock.id()}/`, clock, patienceMs: 2_000 };
    bucket = new Bucket({ name, server: place, clock, patienceMs: 2_000 });
    store = open();
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
    bucket.close();
  });

  const keys = async (): Promise<string[]> =>
    (await bucket.list({ prefix: place.prefix })).objects.map(({ key }) => key.slice(place.prefix.length));

  /** The uploads in parts that the server has of this blob. */
  async function uploadsOf(id: string): Promise<number> {
    const command = new ListMultipartUploadsCommand({
      Bucket: place.bucket,
      Prefix: `${place.prefix}blobs/${id}`,
    });
    return (await bucket.client.send(command)).Uploads?.length ?? 0;
  }

  test('keeps a blob for one process or has it deleted by another, never both', async () => {
    const other = open();
    for (let turn = 0; turn < 20; turn += 1) {
      const { id } = await put(store, Buffer.from('x'));
      const [kept, deleted] = await Promise.all([
        store.keep({ id, forMs: hour }),
        other.delete({ id, unlessKept: true }),
      ]);
      expect(deleted).toBe(!kept);
      expect((await store.stat({ id })) !== undefined).toBe(kept);
    }
  });

  test('is left by a blob without a trace, whichever way it was written', async () => {
    for (const bytes of [Buffer.from('small'), Buffer.alloc(11_000_000, 1)]) {
      const { id } = await put(store, bytes);
      expect(await keys()).toEqual([`blobs/${id}`, `blobs/${id}.json`]);
      expect(await store.delete({ id })).toBe(true);
      expect(await keys()).toEqual([]);
    }
    const writer = await store.create({ mediaType });
    await writer.write(Buffer.alloc(11_000_000));
    await writer.abort();
    expect(await keys()).toEqual([]);
    expect(await uploadsOf(writer.id)).toBe(0);
  });

  test('has no blob where there are bytes without a record, and gives them up once they are old', async () => {
    const id = clock.id();
    await bucket.put({ key: `${place.prefix}blobs/${id}`, body: Buffer.from('bytes') });
    expect(await store.stat({ id })).toBeUndefined();
    await expect(content(store, id)).rejects.toMatchObject({ code: 'blob-not-found' });
    expect(await store.list({ limit: 10 })).toEqual([]);
    await store.clear({ begunBefore: madeAt(id) });
    expect(await keys()).toHaveLength(1);
    await store.clear({ begunBefore: madeAt(id) + 1 });
    expect(await keys()).toEqual([]);
  });

  test('gives up what a dead writer had sent, and nothing of another', async () => {
    const dead = await open({ writer: 'dead' }).create({ mediaType });
    const alive = await open({ writer: 'alive' }).create({ mediaType });
    for (const writer of [dead, alive]) await writer.write(Buffer.alloc(12_000_000, 7));
    expect(await keys()).toEqual([`uploads/alive/${alive.id}`, `uploads/dead/${dead.id}`]);
    await store.clear({ writer: 'dead' });
    expect(await uploadsOf(dead.id)).toBe(0);
    await expect(dead.commit()).rejects.toThrow();
    expect(digestOf(await content(store, (await alive.commit()).id))).toBe(
      digestOf(Buffer.alloc(12_000_000, 7)),
    );
    expect(await keys()).toEqual([`blobs/${alive.id}`, `blobs/${alive.id}.json`]);
  });

  test('finishes a deletion that ended halfway', async () => {
    const { id } = await put(store, Buffer.from('x'));
    const record = { format: 1, size: 1, digest: 'd', mediaType, deletion: 'of a process that died' };
    await bucket.put({ key: `${place.prefix}blobs/${id}.json`, body: Buffer.from(JSON.stringify(record)) });
    expect(await open().stat({ id })).toBeUndefined();
    expect(await store.keep({ id, forMs: hour })).toBe(false);
    expect(await store.list({ limit: 10 })).toEqual([id]);
    expect(await store.delete({ id })).toBe(false);
    expect(await keys()).toEqual([]);
  });

  test.each([
    ['has lost its bytes', (id: string) => bucket.remove(`${place.prefix}blobs/${id}`)],
    [
      'has lost some of its bytes',
      (id: string) => bucket.put({ key: `${place.prefix}blobs/${id}`, body: Buffer.from('so') }),
    ],
    [
      'has an unreadable record',
      (id: string) => bucket.put({ key: `${place.prefix}blobs/${id}.json`, body: Buffer.from('{') }),
    ],
  ])('has a damaged blob that is not readable, but listed and deletable: it %s', async (_, damage) => {
    const { id } = await put(store, Buffer.from('some text'));
    await damage(id);
    await expect(content(open(), id)).rejects.toMatchObject({ code: 'blob-not-found' });
    expect(await store.list({ limit: 10 })).toEqual([id]);
    expect(await store.delete({ id })).toBe(true);
    expect(await keys()).toEqual([]);
  });

  test('lists and clears beyond what one answer of the server holds', async () => {
    const ids = Array.from({ length: 700 }, () => clock.id()).sort();
    for (let at = 0; at < ids.length; at += 50) {
      const some = ids.slice(at, at + 50);
      const body = Buffer.alloc(1);
      await Promise.all(some.map((id) => bucket.put({ key: `${place.prefix}blobs/${id}`, body })));
      await Promise.all(some.map((id) => bucket.put({ key: `${place.prefix}blobs/${id}.json`, body })));
    }
    const orphan = clock.id();
    await bucket.put({ key: `${place.prefix}blobs/${orphan}`, body: Buffer.alloc(1) });
    expect(await store.list({ limit: 1_000 })).toEqual(ids);
    expect(await store.list({ after: ids[498]!, limit: 3 })).toEqual(ids.slice(499, 502));
    await store.clear({ begunBefore: madeAt(orphan) + 1 });
    expect(
      (await bucket.list({ prefix: place.prefix, after: `${place.prefix}blobs/${ids[690]!}.json` })).objects,
    ).toHaveLength(2 * 9);
  });

  describe('gives links', () => {
    const bytes = Buffer.from('straight to the bucket');
    const wanted = { mediaType, size: bytes.length, digest: digestOf(bytes), forMs: hour };
    const send = (link: { url: string; headers: Readonly<Record<string, string>> }, body: Buffer) =>
      fetch(link.url, { method: 'PUT', headers: link.headers, body: new Uint8Array(body) });

    test('to which bytes are sent that become a blob when that is said, and from which they are read', async () => {
      const link = (await store.createLink(wanted))!;
      expect((await send(link, bytes)).status).toBe(200);
      expect(await store.stat(link)).toBeUndefined();
      expect(await store.list({ limit: 10 })).toEqual([]);
      const info = await open().commitLink(link);
      expect(info).toEqual({ id: link.id, size: bytes.length, digest: wanted.digest, mediaType });
      expect(await store.stat(link)).toEqual(info);
      expect(await store.commitLink(link)).toEqual(info);
      const response = await fetch((await store.link({ id: link.id, forMs: hour }))!);
      expect(response.headers.get('content-type')).toBe(mediaType);
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    });

    test('that take no other bytes, neither before the blob is one nor after', async () => {
      const link = (await store.createLink(wanted))!;
      const others = Buffer.from('STRAIGHT to the bucket');
      expect((await send(link, others)).status).toBeGreaterThanOrEqual(400);
      expect((await send(link, bytes)).status).toBe(200);
      await store.commitLink(link);
      expect((await send(link, others)).status).toBeGreaterThanOrEqual(400);
      const sum = createHash('sha256').update(others).digest('base64');
      const forged = { url: link.url, headers: { ...link.headers, 'x-amz-checksum-sha256': sum } };
      expect((await send(forged, others)).status).toBe(403);
      expect((await content(store, link.id)).equals(bytes)).toBe(true);
    });

    test('that are no blob before anything has arrived, and are forgotten once they are old', async () => {
      const link = (await store.createLink(wanted))!;
      await expect(store.commitLink(link)).rejects.toMatchObject({ code: 'upload-incomplete' });
      await send(link, bytes);
      await store.clear({ begunBefore: madeAt(link.id) + 1 });
      expect(await keys()).toEqual([]);
      await expect(store.commitLink(link)).rejects.toMatchObject({ code: 'blob-not-found' });
      await expect(store.link({ id: link.id, forMs: hour })).rejects.toMatchObject({
        code: 'blob-not-found',
      });
    });

    test('at the address by which clients reach the server', async () => {
      const elsewhere = open({ publicEndpoint: 'https://s3.example' });
      const { id } = await put(store, bytes);
      expect(await elsewhere.link({ id, forMs: hour })).toMatch(
        /^https:\/\/s3\.example\/.*X-Amz-Expires=3600/,
      );
      expect((await elsewhere.createLink(wanted))!.url).toMatch(/^https:\/\/s3\.example\//);
    });
  });

  describe('is found out before it is used', () => {
    test('where all is well, without leaving anything', async () => {
      await checkBucket(place);
      expect(await keys()).toEqual([]);
    });

    test('where it does not exist', async () => {
      await expect(checkBucket({ ...place, bucket: 'no-such-bucket' })).rejects.toMatchObject({
        code: 'invalid-request',
        field: 'blobs',
        message: expect.stringContaining('There is no bucket "no-such-bucket"') as string,
      });
    });

    test.each([
      ['AWS_ACCESS_KEY_ID', 'nobody'],
      ['AWS_SECRET_ACCESS_KEY', 'wrong-secret'],
    ])('where %s is wrong, without showing it', async (variable, value) => {
      const right = process.env[variable];
      process.env[variable] = value;
      try {
        const checked = checkBucket(place).catch((error: unknown) => error as Error);
        expect(await checked).toMatchObject({
          code: 'invalid-request',
          field: 'blobs',
          message: expect.stringMatching(/refuses the credentials.*check AWS_ACCESS_KEY_ID/) as string,
        });
        expect((await checked)?.message).not.toContain(value);
      } finally {
        process.env[variable] = right;
      }
    });

    test('where nobody answers, after a bounded time', async () => {
      const away = { ...place, endpoint: 'http://127.0.0.1:9', patienceMs: 300 };
      await expect(checkBucket(away)).rejects.toMatchObject({
        code: 'unavailable',
        message: 'The S3 server http://127.0.0.1:9 does not answer as it should (ECONNREFUSED).',
      });
    });

    test.each([
      ['does not know', 200],
      ['refuses', 501],
    ])('where it %s conditional writes', async (_, status) => {
      const careless = createServer((request, response) => {
        response.statusCode = request.method === 'PUT' ? status : 200;
        request.resume().on('end', () => response.end('<ListBucketResult></ListBucketResult>'));
      });
      await new Promise<void>((resolve) => careless.listen(0, '127.0.0.1', resolve));
      const endpoint = `http://127.0.0.1:${(careless.address() as AddressInfo).port}`;
      try {
        await expect(checkBucket({ ...place, endpoint })).rejects.toThrow('does not know conditional writes');
      } finally {
        careless.close();
        careless.closeAllConnections();
      }
    });
  });

  describe('on a server of its own', () => {
    let folder: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'dray-s3-'));
    });

    afterEach(() => rm(folder, { recursive: true }));

    test('is written and read on though the server is killed in between and comes back', async () => {
      let server = await startS3({ folder, ...credentials() });
      try {
        const patient = open({ bucket: 'dray', endpoint: server.endpoint, patienceMs: 60_000 });
        const bytes = Buffer.alloc(24_000_000, 'bytes of a blob');
        const writer = await patient.create({ mediaType });
        await writer.write(bytes.subarray(0, 12_000_000));
        await server.kill();
        const writing = writer.write(bytes.subarray(12_000_000));
        server = await startS3({ folder, port: server.port, ...credentials() });
        await writing;
        const { id, digest } = await writer.commit();
        expect(digest).toBe(digestOf(bytes));
        await server.kill();
        const reading = content(patient, id);
        server = await startS3({ folder, port: server.port, ...credentials() });
        expect(digestOf(await reading)).toBe(digest);
      } finally {
        await server.stop();
      }
    });

    test('says that it is unavailable while the server is away, and has nothing of what was written', async () => {
      const server = await startS3({ folder, ...credentials() });
      const own = open({ bucket: 'dray', endpoint: server.endpoint, patienceMs: 200 });
      const { id } = await put(own, Buffer.from('kept')).finally(() => server.kill());
      const away = { code: 'unavailable' };
      await expect(put(own, Buffer.from('lost'))).rejects.toMatchObject(away);
      await expect(put(own, Buffer.alloc(6_000_000))).rejects.toMatchObject(away);
      await expect(content(own, id)).rejects.toMatchObject(away);
      await expect(own.list({ limit: 1 })).rejects.toMatchObject(away);
      const again = await startS3({ folder, port: server.port, ...credentials() });
      try {
        expect(await own.list({ limit: 10 })).toEqual([id]);
        expect((await content(own, id)).toString()).toBe('kept');
      } finally {
        await again.stop();
      }
    });

    test.skipIf(!canMount())(
      'says storage-full, keeps nothing of the blob and the others whole',
      async () => {
        const disk = mountSmallDisk('48m', 10_000);
        const server = await startS3({ folder: disk.path, ...credentials() });
        try {
          const own = open({ bucket: 'dray', endpoint: server.endpoint, patienceMs: 200 });
          const kept = await put(own, Buffer.from('kept'));
          await expect(put(own, Buffer.alloc(80_000_000, 1))).rejects.toMatchObject({ code: 'storage-full' });
          expect(await own.list({ limit: 10 })).toEqual([kept.id]);
          expect((await content(own, kept.id)).toString()).toBe('kept');
        } finally {
          await server.stop();
          disk.remove();
        }
      },
    );
  });

  const credentials = () => ({ accessKey: given!.accessKey, secretKey: given!.secretKey });
});
