/** What every blob store promises (src/blobs/blob-store.ts). */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BlobInfo, BlobStore } from '../../src/blobs/blob-store.js';
import { madeAt } from '../../src/jobs/retention.js';

const absent = '0190a0a0-0000-7000-8000-000000000000';
const mediaType = 'application/octet-stream';

/** @param factory makes an empty store; `cleanup` closes it and removes what it kept. */
export function blobStoreConformance(
  name: string,
  factory: () => Promise<{ store: BlobStore; cleanup(): Promise<void> }>,
): void {
  describe(`${name} keeps the promises of a blob store`, () => {
    let store: BlobStore;
    let cleanup: () => Promise<void>;

    beforeEach(async () => {
      const made = await factory();
      store = made.store;
      cleanup = () => made.cleanup();
    });

    afterEach(() => cleanup());

    async function put(...chunks: readonly Uint8Array[]): Promise<BlobInfo> {
      const writer = await store.create({ mediaType });
      for (const chunk of chunks) await writer.write(chunk);
      return writer.commit();
    }

    async function content(params: { id: string; start?: number; end?: number }): Promise<Buffer> {
      const chunks: Uint8Array[] = [];
      for await (const chunk of store.read(params)) chunks.push(chunk);
      return Buffer.concat(chunks);
    }

    describe('writing', () => {
      test('gives back what was committed, with size, digest and media type', async () => {
        const writer = await store.create({ mediaType: 'application/x-npy; note="a\\b"' });
        await writer.write(Buffer.from('hello '));
        await writer.write(Buffer.from('world'));
        expect(writer.size).toBe(11);
        const info = await writer.commit();
        expect(info).toEqual({
          id: writer.id,
          size: 11,
          digest: 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9',
          mediaType: 'application/x-npy; note="a\\b"',
        });
        expect(await store.stat({ id: info.id })).toEqual(info);
        expect((await content({ id: info.id })).toString()).toBe('hello world');
      });

      test('stores an empty blob', async () => {
        const info = await put();
        expect(info).toMatchObject({ size: 0, digest: createHash('sha256').digest('hex') });
        expect(await store.stat({ id: info.id })).toEqual(info);
        expect(await content({ id: info.id })).toHaveLength(0);
        await store.readInto({ id: info.id, offset: 0, target: new Uint8Array(0) });
      });

      test('stores a large blob written in chunks of all sizes', async () => {
        const bytes = noise(7_500_001);
        const chunks: Buffer[] = [];
        const sizes = [1, 100_000, 300_000, 65_536, 0, 131_072, 3_000_000, 17];
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const end = Math.min(bytes.length, at + sizes[turn % sizes.length]!);
          chunks.push(bytes.subarray(at, end));
          at = end;
        }
        const info = await put(...chunks);
        expect(info).toMatchObject({ size: bytes.length, digest: sha256(bytes) });
        expect(bytes.equals(await content({ id: info.id }))).toBe(true);
      });

      test('takes a chunk before it returns, so that the caller may reuse it', async () => {
        const writer = await store.create({ mediaType });
        const expected: Buffer[] = [];
        for (const size of [1_000, 200_000, 1_000, 90_000, 90_000, 90_000, 2_000_000]) {
          const chunk = noise(size);
          expected.push(Buffer.from(chunk));
          await writer.write(chunk);
          chunk.fill(0);
        }
        const { id, digest } = await writer.commit();
        expect(digest).toBe(sha256(Buffer.concat(expected)));
        expect(sha256(await content({ id }))).toBe(digest);
      });

      test('keeps concurrent writers apart', async () => {
        const bodies = Array.from({ length: 20 }, (_, index) => noise(10_000 * index + index));
        const infos = await Promise.all(bodies.map((body) => put(body.subarray(0, 5), body.subarray(5))));
        expect(new Set(infos.map((info) => info.id)).size).toBe(bodies.length);
        for (const [index, info] of infos.entries()) {
          expect(bodies[index]!.equals(await content({ id: info.id }))).toBe(true);
        }
        expect(await store.list({ limit: 100 })).toEqual(infos.map((info) => info.id).sort());
      });

      test('refuses a media type that is too long, empty or not printable', async () => {
        for (const wrong of ['x'.repeat(101), '', 'text/plain\n', 'text/é']) {
          await expect(store.create({ mediaType: wrong })).rejects.toMatchObject({ code: 'invalid-request' });
        }
        const writer = await store.create({ mediaType: '"'.repeat(100) });
        expect((await store.stat({ id: (await writer.commit()).id }))?.mediaType).toBe('"'.repeat(100));
      });
    });

    describe('what is not committed', () => {
      async function expectAbsent(id: string): Promise<void> {
        expect(await store.stat({ id })).toBeUndefined();
        expect(await store.list({ limit: 10 })).toEqual([]);
        await expect(content({ id })).rejects.toMatchObject({ code: 'blob-not-found' });
        await expect(store.readInto({ id, offset: 0, target: new Uint8Array(1) })).rejects.toMatchObject({
          code: 'blob-not-found',
        });
      }

      test('is neither readable nor listed while it is written', async () => {
        const writer = await store.create({ mediaType });
        await writer.write(noise(1_000_000));
        await expectAbsent(writer.id);
        await writer.abort();
      });

      test('is gone after an abort, also a second one', async () => {
        const writer = await store.create({ mediaType });
        await writer.write(noise(1_000));
        await writer.abort();
        await writer.abort();
        await expectAbsent(writer.id);
        await expect(writer.write(noise(1))).rejects.toThrow();
        await expect(writer.commit()).rejects.toThrow();
        await expectAbsent(writer.id);
      });

      test('is gone after the store is closed', async () => {
        const writer = await store.create({ mediaType });
        await writer.write(noise(1_000));
        await store.close();
        await expect(writer.commit()).rejects.toThrow();
      });
    });

    test('an abort after the commit changes nothing', async () => {
      const writer = await store.create({ mediaType });
      await writer.write(Buffer.from('kept'));
      const { id } = await writer.commit();
      await writer.abort();
      expect((await content({ id })).toString()).toBe('kept');
    });

    test('a committed blob takes no more bytes', async () => {
      const writer = await store.create({ mediaType });
      await writer.commit();
      await expect(writer.write(noise(1))).rejects.toThrow();
      await expect(writer.commit()).rejects.toThrow();
      expect(await store.stat({ id: writer.id })).toMatchObject({ size: 0 });
    });

    describe('reading', () => {
      test('gives any range', async () => {
        const bytes = noise(2_500_000);
        const { id } = await put(bytes);
        const ranges: [number, number][] = [
          [0, 1],
          [0, 2_500_000],
          [1, 2_499_999],
          [1_048_575, 1_048_577],
          [2_499_999, 2_500_000],
          [7, 7],
          [2_500_000, 2_500_000],
        ];
        for (const [start, end] of ranges) {
          const expected = bytes.subarray(start, end);
          expect(expected.equals(await content({ id, start, end }))).toBe(true);
          const target = new Uint8Array(end - start);
          await store.readInto({ id, offset: start, target });
          expect(expected.equals(target)).toBe(true);
        }
        expect(bytes.subarray(2_000_000).equals(await content({ id, start: 2_000_000 }))).toBe(true);
      });

      test('fills just the part of a buffer that it was given', async () => {
        const { id } = await put(Buffer.from('abcdef'));
        const whole = new Uint8Array(6).fill(46);
        await store.readInto({ id, offset: 2, target: whole.subarray(1, 4) });
        expect(Buffer.from(whole).toString()).toBe('.cde..');
      });

      test('refuses what lies beyond the end with a RangeError', async () => {
        const { id } = await put(Buffer.from('abc'));
        for (const [offset, length] of [
          [0, 4],
          [3, 1],
          [100, 1],
          [-1, 1],
        ] as const) {
          await expect(store.readInto({ id, offset, target: new Uint8Array(length) })).rejects.toThrow(
            RangeError,
          );
        }
        await expect(content({ id, end: 4 })).rejects.toThrow(RangeError);
        await expect(content({ id, start: 4 })).rejects.toThrow(RangeError);
      });

      test('survives a consumer that stops early, many times over', async () => {
        const bytes = noise(3_000_000);
        const { id } = await put(bytes);
        for (let turn = 0; turn < 50; turn += 1) {
          for await (const chunk of store.read({ id })) {
            expect(chunk.length).toBeGreaterThan(0);
            break;
          }
        }
        expect(bytes.equals(await content({ id }))).toBe(true);
        expect(await store.delete({ id })).toBe(true);
      });

      test('gives chunks that the consumer may keep', async () => {
        const bytes = noise(3_000_000);
        const { id } = await put(bytes);
        const kept: Uint8Array[] = [];
        for await (const chunk of store.read({ id })) kept.push(chunk);
        expect(bytes.equals(Buffer.concat(kept))).toBe(true);
      });

      test('serves many readers at the same time', async () => {
        const bytes = noise(1_500_000);
        const { id } = await put(bytes);
        const all = await Promise.all(Array.from({ length: 12 }, () => content({ id })));
        for (const read of all) expect(bytes.equals(read)).toBe(true);
      });
    });

    describe('a blob that is not there', () => {
      test.each([absent, '../tmp/x', 'x', '', `${absent}/../${absent}`])('is not found: %j', async (id) => {
        expect(await store.stat({ id })).toBeUndefined();
        expect(await store.delete({ id })).toBe(false);
        await expect(store.readInto({ id, offset: 0, target: new Uint8Array(1) })).rejects.toMatchObject({
          code: 'blob-not-found',
        });
        await expect(content({ id })).rejects.toMatchObject({ code: 'blob-not-found' });
      });
    });

    describe('listing and deleting', () => {
      test('lists in pages, in ascending order, each blob once', async () => {
        const ids: string[] = [];
        for (let turn = 0; turn < 7; turn += 1) ids.push((await put(noise(turn))).id);
        ids.sort();
        expect(await store.list({ limit: 100 })).toEqual(ids);
        const pages: (readonly string[])[] = [];
        for (let after: string | undefined; pages.length < 5; after = pages.at(-1)!.at(-1)) {
          const page = await store.list({ limit: 3, ...(after === undefined ? {} : { after }) });
          if (page.length === 0) break;
          pages.push(page);
        }
        expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
        expect(pages.flat()).toEqual(ids);
      });

      test('goes on after an id that is there no longer', async () => {
        const ids = [(await put()).id, (await put()).id, (await put()).id].sort();
        await store.delete({ id: ids[1]! });
        expect(await store.list({ after: ids[1]!, limit: 10 })).toEqual([ids[2]]);
        expect(await store.list({ after: ids[2]!, limit: 10 })).toEqual([]);
      });

      test('says how much room its blobs take, about', async () => {
        expect(await store.usage()).toBe(0);
        const { id } = await put(noise(1_000_000));
        const { id: other } = await put(noise(500_000));
        const within = async (least: number): Promise<void> => {
          const bytes = await store.usage();
          expect(bytes).toBeGreaterThanOrEqual(least);
          expect(bytes).toBeLessThan(1.1 * least);
        };
        await within(1_500_000);
        await store.delete({ id });
        await within(500_000);
        await store.delete({ id: other });
        expect(await store.usage()).toBe(0);
      });

      test('leaves a blob that is kept, and only then', async () => {
        const kept = await put(Buffer.from('kept'));
        const once = await put(Buffer.from('kept once'));
        const never = await put(Buffer.from('never kept'));
        expect(await store.keep({ id: kept.id, forMs: 3_600_000 })).toBe(true);
        expect(await store.keep({ id: once.id, forMs: -1 })).toBe(true);
        for (const { id } of [once, never]) expect(await store.delete({ id, unlessKept: true })).toBe(true);
        expect(await store.delete({ id: kept.id, unlessKept: true })).toBe(false);
        expect(await store.list({ limit: 10 })).toEqual([kept.id]);
        expect(await store.stat({ id: kept.id })).toEqual(kept);
        expect(await store.delete({ id: kept.id })).toBe(true);
        for (const id of [kept.id, absent, '../x']) {
          expect(await store.keep({ id, forMs: 1 })).toBe(false);
          expect(await store.delete({ id, unlessKept: true })).toBe(false);
        }
      });

      test('keeps a blob or has it deleted, never both', async () => {
        for (let turn = 0; turn < 200; turn++) {
          const { id } = await put(Buffer.from('x'));
          const [kept, deleted] = await Promise.all([
            store.keep({ id, forMs: 60_000 }),
            store.delete({ id, unlessKept: true }),
          ]);
          expect(deleted).toBe(!kept);
          expect((await store.stat({ id })) !== undefined).toBe(kept);
        }
      });

      test('clears what was begun before a moment and never committed, and nothing else', async () => {
        const kept = await put(noise(1_000));
        const young = await store.create({ mediaType });
        await young.write(noise(6_000_000));
        await store.clear({ begunBefore: madeAt(kept.id) - 1 });
        await store.clear({ writer: absent });
        const late = await young.commit();
        await store.clear({ begunBefore: madeAt(late.id) + 60_000 });
        expect(await store.list({ limit: 10 })).toEqual([kept.id, late.id].sort());
        expect(sha256(await content({ id: late.id }))).toBe(late.digest);
        const lost = await store.create({ mediaType });
        await lost.write(noise(6_000_000));
        await store.clear({ begunBefore: madeAt(lost.id) + 60_000 });
        await expect(lost.commit()).rejects.toThrow();
        expect(await store.stat({ id: lost.id })).toBeUndefined();
      });

      test('deletes a blob once', async () => {
        const { id } = await put(Buffer.from('x'));
        const { id: other } = await put(Buffer.from('y'));
        expect(await store.delete({ id })).toBe(true);
        expect(await store.delete({ id })).toBe(false);
        expect(await store.stat({ id })).toBeUndefined();
        await expect(content({ id })).rejects.toMatchObject({ code: 'blob-not-found' });
        expect(await store.list({ limit: 10 })).toEqual([other]);
      });
    });
  });
}

/** Bytes that repeat only after 2³² − 1 numbers, the same in every run (xorshift32). */
function noise(size: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = size * 2 + 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return Buffer.from(words.buffer, 0, size);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
