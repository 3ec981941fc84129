/** Blobs in memory, for tests. They keep the promises of any blob store, but for outliving their process. */
import { createHash } from 'node:crypto';
import {
  checkMediaType,
  checkRange,
  noSuchBlob,
  type BlobInfo,
  type BlobStore,
  type BlobWriter,
} from '../blobs/blob-store.js';
import { systemClock } from '../clock.js';
import { madeAt } from '../jobs/retention.js';

/** Small, so that a task which takes a chunk for a line or a whole character is found out. */
const chunkSize = 64 * 1024;

export class MemoryBlobs implements BlobStore {
  readonly #blobs = new Map<string, { bytes: Uint8Array; info: BlobInfo }>();
  readonly #keptUntil = new Map<string, number>();
  readonly #writers = new Set<BlobWriter>();

  /** Writers that were neither committed nor aborted. */
  get open(): number {
    return this.#writers.size;
  }

  /** Stores the bytes, or a text as UTF-8, and gives the blob's id. */
  put(content: Uint8Array | string, mediaType = 'application/octet-stream'): string {
    return this.#store(systemClock.id(), Buffer.from(content), mediaType).id;
  }

  /** @throws DrayError `blob-not-found`. */
  bytes(id: string): Uint8Array {
    return this.#get(id).bytes;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- refusals are rejections
  async create({ mediaType }: { mediaType: string }): Promise<BlobWriter> {
    checkMediaType(mediaType);
    const id = systemClock.id();
    const chunks: Uint8Array[] = [];
    let size = 0;
    const refuseEnded = (): void => {
      if (!this.#writers.has(writer)) throw new Error(`the writer of blob ${id} has ended`);
    };
    /* eslint-disable @typescript-eslint/require-await -- refusals are rejections */
    const writer: BlobWriter = {
      id,
      get size() {
        return size;
      },
      write: async (chunk) => {
        refuseEnded();
        chunks.push(Buffer.from(chunk));
        size += chunk.length;
      },
      commit: async () => {
        refuseEnded();
        this.#writers.delete(writer);
        return this.#store(id, Buffer.concat(chunks), mediaType);
      },
      abort: async () => void this.#writers.delete(writer),
    };
    /* eslint-enable */
    this.#writers.add(writer);
    return writer;
  }

  stat({ id }: { id: string }): Promise<BlobInfo | undefined> {
    return Promise.resolve(this.#blobs.get(id)?.info);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- refusals are rejections
  async readInto(params: { id: string; offset: number; target: Uint8Array }): Promise<void> {
    const { id, offset, target } = params;
    target.set(this.#range(id, offset, offset + target.length));
  }

  async *read({ id, start, end }: { id: string; start?: number; end?: number }): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    const bytes = this.#range(id, start ?? 0, end ?? this.bytes(id).length);
    for (let at = 0; at < bytes.length; at += chunkSize) {
      yield Uint8Array.prototype.slice.call(bytes, at, at + chunkSize); // a copy: Buffer's own slice is none
    }
  }

  list({ after = '', limit }: { after?: string; limit: number }): Promise<readonly string[]> {
    const ids = [...this.#blobs.keys()].sort().filter((id) => id > after);
    return Promise.resolve(ids.slice(0, limit));
  }

  usage(): Promise<number> {
    return Promise.resolve([...this.#blobs.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
  }

  keep({ id, forMs }: { id: string; forMs: number }): Promise<boolean> {
    if (this.#blobs.has(id)) this.#keptUntil.set(id, systemClock.monotonic() + forMs);
    return Promise.resolve(this.#blobs.has(id));
  }

  delete({ id, unlessKept }: { id: string; unlessKept?: boolean }): Promise<boolean> {
    const kept = (this.#keptUntil.get(id) ?? -Infinity) > systemClock.monotonic();
    if (unlessKept && kept) return Promise.resolve(false);
    this.#keptUntil.delete(id);
    return Promise.resolve(this.#blobs.delete(id));
  }

  clear(of: { writer: string } | { begunBefore: number }): Promise<void> {
    for (const writer of this.#writers) {
      if ('begunBefore' in of && madeAt(writer.id) < of.begunBefore) this.#writers.delete(writer);
    }
    return Promise.resolve();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- refusals are rejections
  async link({ id }: { id: string }): Promise<undefined> {
    this.bytes(id);
  }

  createLink(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  commitLink({ id }: { id: string }): Promise<never> {
    return Promise.reject(noSuchBlob(id));
  }

  close(): Promise<void> {
    this.#writers.clear();
    return Promise.resolve();
  }

  #store(id: string, bytes: Uint8Array, mediaType: string): BlobInfo {
    const digest = createHash('sha256').update(bytes).digest('hex');
    const info = { id, size: bytes.length, digest, mediaType };
    this.#blobs.set(id, { bytes, info });
    return info;
  }

  #range(id: string, start: number, end: number): Uint8Array {
    const { bytes, info } = this.#get(id);
    checkRange(info, start, end);
    return bytes.subarray(start, end);
  }

  #get(id: string): { bytes: Uint8Array; info: BlobInfo } {
    const blob = this.#blobs.get(id);
    if (blob === undefined) throw noSuchBlob(id);
    return blob;
  }
}
