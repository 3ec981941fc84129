import { createHash } from 'node:crypto';
import { DrayError } from '../../jobs/errors.js';
import type { BlobInfo, BlobWriter } from '../blob-store.js';
import type { Bucket } from './bucket.js';
import { infoOf, writeRecord } from './record.js';
import type { Slots } from './slots.js';

/**
 * The smallest part that S3 takes. 10,000 of them, the most that one upload may have, are 52 GB: more than any
 * product. All but the last are of one size, as some servers want it.
 */
export const partSize = 5 * 1024 * 1024;
const mostParts = 10_000;
/** Bytes hashed at a time, right after they were copied: few enough to be in the processor's cache for both. */
const sliceSize = 256 * 1024;
const firstBuffer = 16 * 1024;
/** Above it a writer counts as large. */
const smallBuffer = 1024 * 1024;

/** What all writers of a store share. */
export interface WriterShare {
  readonly bucket: Bucket;
  /** Parts under way at a time. */
  readonly sending: Slots;
  /** Writers with more than a small buffer, now and at most. */
  large: number;
  readonly mostLarge: number;
}

/** The keys of one blob's objects. */
export interface WriterKeys {
  readonly data: string;
  readonly record: string;
  /** Of the note that an upload in parts is under way; whoever clears up after a dead writer goes by it. */
  readonly note: string;
}

/** One request where the blob is smaller than a part, and parts that are sent while more is written where it is not. */
export class S3BlobWriter implements BlobWriter {
  readonly id: string;
  readonly #mediaType: string;
  readonly #keys: WriterKeys;
  readonly #share: WriterShare;
  readonly #ended: () => void;
  readonly #hash = createHash('sha256');
  readonly #abort = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  readonly #tags: string[] = [];
  readonly #spare: Buffer[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #filled = 0;
  #size = 0;
  #large = false;
  #upload: string | undefined;
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #state: 'open' | 'committing' | 'committed' | 'gone' = 'open';

  /** @param ended called once, when nothing is left to abort. */
  constructor(params: {
    id: string;
    mediaType: string;
    keys: WriterKeys;
    share: WriterShare;
    ended: () => void;
  }) {
    this.id = params.id;
    this.#mediaType = params.mediaType;
    this.#keys = params.keys;
    this.#share = params.share;
    this.#ended = params.ended;
  }

  get size(): number {
    return this.#size;
  }

  write(chunk: Uint8Array): Promise<void> {
    const writing = this.#write(chunk);
    this.#writing = writing.catch(() => undefined); // said to the caller; this copy is for abort
    return writing;
  }

  async #write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen();
    this.#size += chunk.length;
    try {
      for (let at = 0; at < chunk.length;) {
        if (this.#filled === partSize) await this.#send();
        const buffer = this.#room(chunk.length - at);
        const taken = Math.min(chunk.length - at, buffer.length - this.#filled, sliceSize);
        buffer.set(chunk.subarray(at, at + taken), this.#filled);
        this.#hash.update(buffer.subarray(this.#filled, this.#filled + taken));
        this.#filled += taken;
        at += taken;
      }
    } catch (error) {
      await this.#discard(error);
      throw error;
    }
  }

  async commit(): Promise<BlobInfo> {
    this.#assertOpen();
    this.#state = 'committing';
    try {
      if (this.#upload === undefined) await this.#putWhole();
      else await this.#completeParts(this.#upload);
      const record = { size: this.#size, digest: this.#hash.digest('hex'), mediaType: this.#mediaType };
      // False where a try of ours whose answer was lost has written it.
      await this.#share.bucket.put({
        key: this.#keys.record,
        body: writeRecord(record),
        contentType: 'application/json',
        onlyIf: 'absent',
      });
      this.#state = 'committed';
      // Without the note's removal the blob is whole too: it goes when what is old is cleared.
      if (this.#upload !== undefined) await this.#share.bucket.remove(this.#keys.note).catch(() => undefined);
      this.#release();
      return infoOf(this.id, record);
    } catch (error) {
      await this.#discard(error);
      throw error;
    }
  }

  /** Does nothing while a commit is under way: the commit then decides. */
  async abort(): Promise<void> {
    if (this.#state === 'open') this.#abort.abort();
    await this.#writing;
    if (this.#state === 'open') await this.#discard();
  }

  #assertOpen(): void {
    if (this.#state !== 'open') throw new Error(`Blob ${this.id} takes no more calls: it is ${this.#state}.`);
  }

  /** The buffer with room for some more bytes, for `more` of them as far as it may grow. */
  #room(more: number): Buffer {
    if (this.#filled < this.#buffer.length) return this.#buffer;
    // What filled a part once will fill others.
    const wanted = this.#upload ? partSize : Math.max(this.#filled + more, 2 * this.#filled, firstBuffer);
    const size = Math.min(partSize, wanted);
    if (size > smallBuffer) this.#becomeLarge();
    const grown = this.#spare.pop() ?? Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#filled);
    return (this.#buffer = grown);
  }

  #becomeLarge(): void {
    if (this.#large) return;
    if (this.#share.large >= this.#share.mostLarge) {
      throw new DrayError('unavailable', `${this.#share.mostLarge} large uploads are under way; try again.`);
    }
    this.#share.large += 1;
    this.#large = true;
  }

  /** Sends the full buffer on its way as the next part, once there is a free slot for it. */
  async #send(): Promise<void> {
    const { bucket, sending } = this.#share;
    const number = this.#tags.length + 1;
    if (number > mostParts) {
      throw new DrayError('limit-exceeded', `a blob has at most ${mostParts * partSize} bytes`);
    }
    this.#upload ??= await this.#begin();
    await sending.take();
    const body = this.#buffer.subarray(0, this.#filled);
    this.#buffer = Buffer.alloc(0);
    this.#filled = 0;
    this.#tags.push('');
    const sent = bucket
      .sendPart({ key: this.#keys.data, upload: this.#upload, number, body, signal: this.#abort.signal })
      .then((tag) => {
        this.#tags[number - 1] = tag;
        this.#spare.push(body);
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        sending.give();
        this.#sending.delete(sent);
      });
    this.#sending.add(sent);
    this.#assertWhole();
  }

  async #begin(): Promise<string> {
    const { bucket } = this.#share;
    const upload = await bucket.beginUpload(this.#keys.data, contentType(this.#mediaType));
    const note = { upload };
    await bucket
      .put({ key: this.#keys.note, body: Buffer.from(JSON.stringify(note)) })
      .catch(async (error: unknown) => {
        await bucket.abortUpload(this.#keys.data, upload).catch(() => undefined);
        throw error;
      });
    return upload;
  }

  #assertWhole(): void {
    this.#abort.signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  async #putWhole(): Promise<void> {
    await this.#share.bucket.put({
      key: this.#keys.data,
      body: this.#buffer.subarray(0, this.#filled),
      contentType: contentType(this.#mediaType),
    });
  }

  async #completeParts(upload: string): Promise<void> {
    if (this.#filled > 0) await this.#send();
    await Promise.all(this.#sending);
    this.#assertWhole();
    await this.#share.bucket.completeUpload({
      key: this.#keys.data,
      upload,
      parts: this.#tags,
      size: this.#size,
    });
  }

  /**
   * What cannot be removed now goes when what is old is cleared.
   * @param why a server that has just been waited for is not waited for again.
   */
  async #discard(why?: unknown): Promise<void> {
    const wasCommitting = this.#state === 'committing';
    this.#state = 'gone';
    this.#abort.abort();
    await Promise.all(this.#sending);
    const away = why instanceof DrayError && why.code === 'unavailable';
    if (!away) await this.#remove(wasCommitting).catch(() => undefined);
    this.#release();
  }

  async #remove(wasCommitting: boolean): Promise<void> {
    const { bucket } = this.#share;
    const { data, record, note } = this.#keys;
    if (wasCommitting) {
      // Requests without an answer may have been carried out.
      await bucket.remove(record);
      await bucket.remove(data);
    }
    if (this.#upload === undefined) return;
    await bucket.abortUpload(data, this.#upload);
    await bucket.remove(note);
  }

  #release(): void {
    this.#buffer = Buffer.alloc(0);
    this.#spare.length = 0;
    if (this.#large) this.#share.large -= 1;
    this.#large = false;
    this.#ended();
  }
}

/** As a header: any media type may be kept in the record, but not every one may be sent. */
export function contentType(mediaType: string): string {
  return /^[\w.+-]+\/[\w.+-]+(?:\s*;\s*[\w.+-]+=[\w.+-]+)*$/.test(mediaType)
    ? mediaType
    : 'application/octet-stream';
}
