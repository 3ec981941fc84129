/** The blobs as one attempt sees them: what it has not committed when it ends is forgotten, and it can add no more. */
import type { BlobStore, BlobWriter } from '../blobs/blob-store.js';
import { DrayError } from '../jobs/errors.js';
import type { TaskBlobs } from '../tasks/task.js';

export class AttemptBlobs implements TaskBlobs {
  readonly #blobs: BlobStore;
  readonly #writers = new Set<BlobWriter>();
  #ended = false;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async create(params: Parameters<BlobStore['create']>[0]): Promise<BlobWriter> {
    const writer = this.#ended ? undefined : await this.#blobs.create(params);
    if (writer && !this.#ended) {
      this.#writers.add(writer);
      return writer;
    }
    await writer?.abort();
    throw new DrayError('unavailable', 'the attempt has ended: it can store no more blobs');
  }

  stat(params: Parameters<BlobStore['stat']>[0]): ReturnType<BlobStore['stat']> {
    return this.#blobs.stat(params);
  }

  readInto(params: Parameters<BlobStore['readInto']>[0]): ReturnType<BlobStore['readInto']> {
    return this.#blobs.readInto(params);
  }

  read(params: Parameters<BlobStore['read']>[0]): ReturnType<BlobStore['read']> {
    return this.#blobs.read(params);
  }

  /** Never rejects: what cannot be removed now goes when the store is opened again. Harmless when called twice. */
  async end(): Promise<void> {
    this.#ended = true;
    if (this.#writers.size === 0) return;
    await Promise.allSettled([...this.#writers].map((writer) => writer.abort())); // harmless after a commit
    this.#writers.clear();
  }
}
