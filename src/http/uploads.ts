/** The blobs that one request makes: kept when it succeeds, gone when it does not. */
import type { BlobInfo, BlobStore, BlobWriter } from '../blobs/blob-store.js';
import { DrayError } from '../jobs/errors.js';
import { iteratorOf, type Bytes } from '../json/read.js';

export class Uploads {
  readonly #blobs: BlobStore;
  readonly #stored: string[] = [];
  readonly #open = new Set<BlobWriter>();
  readonly #storing = new Set<Promise<BlobInfo>>();
  #shared: Promise<BlobWriter> | undefined;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** The one blob that all streamed fields of the request share, made when first asked for. */
  readonly shared = (): Promise<BlobWriter> => (this.#shared ??= this.#create('application/octet-stream'));

  /** Takes over a blob that was stored elsewhere for this request. */
  add(id: string): void {
    this.#stored.push(id);
  }

  async commitShared(): Promise<void> {
    if (this.#shared) await this.#commit(await this.#shared);
  }

  /**
   * Stores a whole stream as a blob. On an error the stream is not closed: that would cut the connection over
   * which the error is to be answered.
   *
   * @throws DrayError `body-too-large` above `limit` bytes.
   */
  store(source: Bytes, mediaType: string, limit: number): Promise<BlobInfo> {
    const storing = this.#store(source, mediaType, limit);
    this.#storing.add(storing);
    return storing;
  }

  /** Forgets all that the request has stored so far, and what is on its way. */
  async discard(): Promise<void> {
    await Promise.allSettled(this.#storing);
    if (this.#shared) await this.#shared.catch(() => undefined);
    await Promise.all([...this.#open].map((writer) => writer.abort()));
    await Promise.all(this.#stored.splice(0).map((id) => this.#blobs.delete({ id })));
  }

  async #store(source: Bytes, mediaType: string, limit: number): Promise<BlobInfo> {
    const writer = await this.#create(mediaType);
    const chunks = iteratorOf(source);
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      if (writer.size + next.value.length > limit) {
        throw new DrayError('body-too-large', `the data is larger than the limit of ${limit} bytes`);
      }
      await writer.write(next.value);
    }
    return this.#commit(writer);
  }

  async #create(mediaType: string): Promise<BlobWriter> {
    const writer = await this.#blobs.create({ mediaType });
    this.#open.add(writer);
    return writer;
  }

  async #commit(writer: BlobWriter): Promise<BlobInfo> {
    const info = await writer.commit();
    this.#open.delete(writer);
    this.#stored.push(info.id);
    return info;
  }
}
