/** Removes what was begun and is no blob: parts of uploads, what was sent to links, bytes without a record. */
import { madeAt } from '../../jobs/retention.js';
import { blobIdShape } from '../blob-store.js';
import type { Bucket } from './bucket.js';
import { holdings, type Layout } from './layout.js';

/** Blobs that one call looks at, besides a page of notes. */
const lookedAtOnce = 1_000;

export class Clearing {
  readonly #bucket: Bucket;
  readonly #layout: Layout;
  /** Where the next call goes on. */
  #reached: string | undefined;

  constructor(bucket: Bucket, layout: Layout) {
    this.#bucket = bucket;
    this.#layout = layout;
  }

  async ofWriter(writer: string): Promise<void> {
    await this.#endUploads(this.#layout.notes(writer), Infinity);
  }

  async begunBefore(moment: number): Promise<void> {
    await this.#endUploads(this.#layout.notes(), moment);
    await this.#removeBytes(moment);
  }

  /** Those that are noted below the prefix. */
  async #endUploads(prefix: string, begunBefore: number): Promise<void> {
    const { objects } = await this.#bucket.list({ prefix });
    for (const { key } of objects) {
      const id = key.slice(key.lastIndexOf('/') + 1);
      if (!blobIdShape.test(id) || madeAt(id) >= begunBefore) continue;
      const { data } = this.#layout.keys(id);
      const upload = uploadIn((await this.#bucket.get(key))?.bytes);
      if (upload !== undefined) await this.#bucket.abortUpload(data, upload);
      await this.#removeUnlessBlob(id);
      await this.#bucket.remove(key);
    }
  }

  /** Of writers that died between the bytes and the record. */
  async #removeBytes(begunBefore: number): Promise<void> {
    let looked = 0;
    const after = this.#reached ?? '';
    this.#reached = undefined;
    for await (const { id, record } of holdings(this.#bucket, this.#layout.blobs, after)) {
      if (madeAt(id) >= begunBefore) return;
      if (!record) await this.#removeUnlessBlob(id);
      looked += 1;
      if (looked < lookedAtOnce) continue;
      this.#reached = id;
      return;
    }
  }

  async #removeUnlessBlob(id: string): Promise<void> {
    const { data, record } = this.#layout.keys(id);
    if ((await this.#bucket.get(record)) === undefined) await this.#bucket.remove(data);
  }
}

function uploadIn(note: Buffer | undefined): string | undefined {
  try {
    const { upload } = JSON.parse(note?.toString('utf8') ?? '{}') as { upload?: unknown };
    return typeof upload === 'string' ? upload : undefined;
  } catch {
    return undefined;
  }
}
