/** Blobs in memory: a double for tests of those who use the seam. */
import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { BlobInfo, BlobStore, BlobWriter } from '../../src/blobs/blob-store.js';
import { DrayError } from '../../src/jobs/errors.js';

export class MemoryBlobs implements BlobStore {
  readonly #blobs = new Map<string, { bytes: Uint8Array; info: BlobInfo }>();
  /** For ever. */
  readonly #kept = new Set<string>();
  /** Writers that were neither committed nor aborted. */
  open = 0;

  /** Stores the bytes and gives the blob's id. */
  put(bytes: Uint8Array, mediaType = 'application/octet-stream'): string {
    const id = uuidv7();
    const digest = createHash('sha256').update(bytes).digest('hex');
    this.#blobs.set(id, { bytes, info: { id, size: bytes.length, digest, mediaType } });
    return id;
  }

  bytes(id: string): Uint8Array {
    const blob = this.#blobs.get(id);
    if (blob === undefined) throw new DrayError('blob-not-found', `no blob ${id}`);
    return blob.bytes;
  }

  create({ mediaType }: { mediaType: string }): Promise<BlobWriter> {
    const chunks: Uint8Array[] = [];
    const id = uuidv7();
    let size = 0;
    let state: 'open' | 'committed' | 'aborted' = 'open';
    this.open++;
    const end = (to: 'committed' | 'aborted'): void => {
      state = to;
      this.open--;
    };
    return Promise.resolve({
      id,
      get size() {
        return size;
      },
      write: (chunk) => {
        if (state !== 'open') return Promise.reject(new Error(`the writer is ${state}`));
        chunks.push(chunk.slice());
        size += chunk.length;
        return Promise.resolve();
      },
      commit: () => {
        if (state !== 'open') return Promise.reject(new Error(`the writer is ${state}`));
        const bytes = Buffer.concat(chunks);
        const info = { id, size, digest: createHash('sha256').update(bytes).digest('hex'), mediaType };
        this.#blobs.set(id, { bytes, info });
        end('committed');
        return Promise.resolve(info);
      },
      abort: () => {
        if (state === 'open') end('aborted');
        return Promise.resolve();
      },
    });
  }

  stat({ id }: { id: string }): Promise<BlobInfo | undefined> {
    return Promise.resolve(this.#blobs.get(id)?.info);
  }

  readInto({ id, offset, target }: { id: string; offset: number; target: Uint8Array }): Promise<void> {
    return new Promise((resolve) => {
      const bytes = this.bytes(id);
      if (offset + target.length > bytes.length)
        throw new RangeError('the blob ends before the target is full');
      target.set(bytes.subarray(offset, offset + target.length));
      resolve();
    });
  }

  async *read({ id, start, end }: { id: string; start?: number; end?: number }): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    yield this.bytes(id).slice(start, end);
  }

  list({ after, limit }: { after?: string; limit: number }): Promise<readonly string[]> {
    const ids = [...this.#blobs.keys()].sort().filter((id) => after === undefined || id > after);
    return Promise.resolve(ids.slice(0, limit));
  }

  usage(): Promise<number> {
    return Promise.resolve([...this.#blobs.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
  }

  keep({ id }: { id: string }): Promise<boolean> {
    if (this.#blobs.has(id)) this.#kept.add(id);
    return Promise.resolve(this.#blobs.has(id));
  }

  delete({ id, unlessKept }: { id: string; unlessKept?: boolean }): Promise<boolean> {
    if (unlessKept && this.#kept.has(id)) return Promise.resolve(false);
    return Promise.resolve(this.#blobs.delete(id));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
