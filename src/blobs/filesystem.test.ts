/** What only the store of files has; the rest is in test/conformance/blob-store.ts. */
import { mkdir, mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canMount, mountSmallDisk, type SmallDisk } from '../../test/support/small-disk.js';
import { systemClock } from '../clock.js';
import type { BlobInfo, BlobStore } from './blob-store.js';
import { openFilesystemBlobs } from './filesystem.js';

const clock = systemClock;
const mediaType = 'text/plain';
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-blobs-'));
});

afterEach(() => rm(folder, { recursive: true }));

async function put(store: BlobStore, text: string): Promise<BlobInfo> {
  const writer = await store.create({ mediaType });
  await writer.write(Buffer.from(text));
  return writer.commit();
}

async function fileOf(id: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true });
  return join(
    folder,
    entries.find((entry) => entry.endsWith(id))!,
  );
}

describe('a damaged file', () => {
  test.each([
    ['lost its last byte', (path: string) => stat(path).then(({ size }) => truncate(path, size - 1))],
    ['lost its footer', (path: string) => truncate(path, 4)],
    ['is empty', (path: string) => truncate(path, 0)],
    ['grew', (path: string) => writeFile(path, 'more', { flag: 'a' })],
    [
      'lost bytes in the middle',
      (path: string) => readFile(path).then((bytes) => writeFile(path, bytes.subarray(1))),
    ],
    [
      'has an unreadable description',
      (path: string) =>
        readFile(path).then((bytes) => writeFile(path, bytes.toString('latin1').replace('{', '['))),
    ],
  ])('is not readable, but listed and deletable: it %s', async (_, damage) => {
    const store = await openFilesystemBlobs({ folder, clock });
    const { id } = await put(store, 'some text');
    await damage(await fileOf(id));
    expect(await store.stat({ id })).toBeUndefined();
    const reading = store.readInto({ id, offset: 0, target: new Uint8Array(1) });
    await expect(reading).rejects.toMatchObject({
      code: 'blob-not-found',
      message: expect.stringContaining('damaged') as string,
    });
    expect(await store.list({ limit: 10 })).toEqual([id]);
    expect(await store.delete({ id })).toBe(true);
    expect(await store.list({ limit: 10 })).toEqual([]);
  });
});

describe('opening', () => {
  test('makes folders that are missing', async () => {
    const store = await openFilesystemBlobs({ folder: join(folder, 'a', 'b', 'c'), clock });
    expect(await store.stat({ id: (await put(store, 'x')).id })).toMatchObject({ size: 1 });
  });

  test('by the owner removes what dead writers left, and keeps the blobs', async () => {
    const dead = await openFilesystemBlobs({ folder, clock });
    const { id } = await put(dead, 'kept');
    const lost = await dead.create({ mediaType });
    await lost.write(Buffer.alloc(1_000_000));
    expect(await readdir(join(folder, 'tmp'))).toEqual([lost.id]);
    const owner = await openFilesystemBlobs({ folder, clock, cleanTemporary: true });
    expect(await readdir(join(folder, 'tmp'))).toEqual([]);
    expect(await owner.list({ limit: 10 })).toEqual([id]);
    await lost.abort();
  });

  test('by another process leaves a writer alone', async () => {
    const first = await openFilesystemBlobs({ folder, clock });
    const writer = await first.create({ mediaType });
    const second = await openFilesystemBlobs({ folder, clock });
    await writer.write(Buffer.from('both see it'));
    const info = await writer.commit();
    expect(await second.stat({ id: info.id })).toEqual(info);
  });

  test('by the owner removes empty shelves', async () => {
    const store = await openFilesystemBlobs({ folder, clock });
    const { id } = await put(store, 'x');
    await store.delete({ id });
    await openFilesystemBlobs({ folder, clock, cleanTemporary: true });
    expect(await readdir(folder)).toEqual(['tmp']);
  });
});

test('foreign files are neither listed nor read', async () => {
  const store = await openFilesystemBlobs({ folder, clock });
  const { id } = await put(store, 'x');
  const shelf = id.slice(0, 7);
  const elsewhere = '0190a0a0-0000-7000-8000-000000000000';
  await writeFile(join(folder, 'README'), '');
  await writeFile(join(folder, '0000000'), '');
  await mkdir(join(folder, 'lost+found'));
  await writeFile(join(folder, 'lost+found', elsewhere), '');
  await writeFile(join(folder, shelf, 'README'), '');
  await writeFile(join(folder, shelf, `${id}.bak`), '');
  await writeFile(join(folder, shelf, elsewhere), '');
  expect(await store.list({ limit: 100 })).toEqual([id]);
  expect(await store.stat({ id: elsewhere })).toBeUndefined();
});

test('an id is never a path', async () => {
  const store = await openFilesystemBlobs({ folder: join(folder, 'store'), clock });
  const { id } = await put(store, 'x');
  await writeFile(join(folder, 'secret'), await readFile(await fileOf(id)));
  for (const path of ['../secret', `${id.slice(0, 7)}/../../secret`, join(folder, 'secret'), `${id}\0`]) {
    expect(await store.stat({ id: path })).toBeUndefined();
    expect(await store.delete({ id: path })).toBe(false);
    const reading = store.readInto({ id: path, offset: 0, target: new Uint8Array(1) });
    await expect(reading).rejects.toMatchObject({ code: 'blob-not-found' });
  }
  expect(await readdir(folder)).toContain('secret');
});

test('lists ids of several shelves in order', async () => {
  const ids = [9, 1, 5].map((digit) => `019${digit}0000-0000-7000-8000-000000000000`);
  let turn = 0;
  const store = await openFilesystemBlobs({ folder, clock: { ...clock, id: () => ids[turn++]! } });
  for (const text of ['a', 'b', 'c']) await put(store, text);
  const sorted = [...ids].sort();
  expect(await store.list({ limit: 10 })).toEqual(sorted);
  expect(await store.list({ limit: 2 })).toEqual(sorted.slice(0, 2));
  expect(await store.list({ after: sorted[0]!, limit: 10 })).toEqual(sorted.slice(1));
  expect(await store.list({ after: '0195', limit: 10 })).toEqual(sorted.slice(1));
});

describe.skipIf(!canMount())('on a full disk', () => {
  let disk: SmallDisk;
  let small: string;

  beforeEach(() => {
    disk = mountSmallDisk('1m');
    small = disk.path;
  });

  afterEach(() => disk.remove());

  async function leftovers(): Promise<string[]> {
    return readdir(join(small, 'tmp'));
  }

  test.each([
    ['large chunks', 600_000],
    ['small chunks', 10_000],
  ])('says storage-full, keeps nothing of the blob and the others whole, in %s', async (_, size) => {
    const store = await openFilesystemBlobs({ folder: small, clock });
    const kept = await put(store, 'kept');
    const writer = await store.create({ mediaType });
    const fill = async () => {
      for (let written = 0; written < 3_000_000; written += size) await writer.write(Buffer.alloc(size, 1));
    };
    await expect(fill()).rejects.toMatchObject({ code: 'storage-full' });
    expect(await leftovers()).toEqual([]);
    await writer.abort();
    expect(await store.stat({ id: kept.id })).toEqual(kept);
    expect(await store.list({ limit: 10 })).toEqual([kept.id]);
    const again = await put(store, 'there is room again');
    expect(await store.stat({ id: again.id })).toEqual(again);
  });

  test('says storage-full where only the commit finds out', async () => {
    const store = await openFilesystemBlobs({ folder: small, clock });
    await writeFile(join(small, 'ballast'), Buffer.alloc(1_000_000));
    const writer = await store.create({ mediaType });
    await writer.write(Buffer.alloc(120_000));
    await expect(writer.commit()).rejects.toMatchObject({ code: 'storage-full' });
    expect(await leftovers()).toEqual([]);
    expect(await store.list({ limit: 10 })).toEqual([]);
  });

  test('says storage-full where not even a file can be made', async () => {
    const store = await openFilesystemBlobs({ folder: small, clock });
    const ballast = async () => {
      for (let turn = 0; turn < 1_000; turn += 1) await writeFile(join(small, `ballast-${turn}`), '');
    };
    await expect(ballast()).rejects.toThrow('ENOSPC');
    await expect(put(store, 'x')).rejects.toMatchObject({ code: 'storage-full' });
  });
});
