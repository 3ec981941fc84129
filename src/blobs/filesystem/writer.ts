import { createHash } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { BlobInfo, BlobWriter } from '../blob-store.js';
import { openFile, storageError, syncData, writeFully } from './files.js';
import { footerSize, writeFooter } from './footer.js';

type Publish = (id: string, path: string, data?: Promise<void>) => Promise<void>;

/** Small chunks are gathered up to this many bytes; larger ones go to the file from where they are. */
const bufferSize = 256 * 1024;
const directFrom = 128 * 1024;
/** Bytes hashed while the system writes them: few enough to be in the processor's cache for both. */
const sliceSize = 4 * 1024 * 1024;
/** A long blob is made durable by parts of this size while it grows, so that the commit has little to wait for. */
const syncEvery = 16 * 1024 * 1024;

/**
 * Writes one file under a temporary name and has the store publish it. While a gathered buffer is on its way to
 * the file, the caller already fills the other one, so an error of the disk may show up one write later.
 */
export class FileBlobWriter implements BlobWriter {
  readonly id: string;
  readonly #mediaType: string;
  readonly #path: string;
  readonly #publish: Publish;
  readonly #ended: () => void;
  readonly #hash = createHash('sha256');
  /** Made meanwhile: whoever needs it waits. It rejects where the file cannot be made. */
  readonly #file: Promise<number>;
  #closed = false;
  /** True once bytes have left the buffer. */
  #large = false;
  #size = 0;
  /** Bytes of the file that are written or on their way. */
  #position = 0;
  #buffer: Buffer | undefined;
  #spare: Buffer | undefined;
  #filled = 0;
  #flight: Promise<void> | undefined;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #synced = 0;
  #failure: unknown;
  #state: 'open' | 'committing' | 'committed' | 'gone' = 'open';

  /**
   * @param publish moves the file to its place, and makes the place durable. Where that fails, or `data` does,
   * which are the file's own bytes being made durable meanwhile, nothing stays in the place.
   * @param ended called once, when nothing is left to abort.
   */
  constructor(params: { id: string; mediaType: string; path: string; publish: Publish; ended: () => void }) {
    this.id = params.id;
    this.#mediaType = params.mediaType;
    this.#path = params.path;
    this.#file = openFile(params.path, 'wx', 0o600);
    this.#file.catch(() => undefined); // said by the write or commit that needs it
    this.#publish = params.publish;
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
      if (chunk.length >= directFrom) {
        await this.#flush();
        await this.#landed();
        for (let at = 0; at < chunk.length; at += sliceSize) {
          await this.#put(chunk.subarray(at, at + sliceSize));
        }
        return;
      }
      let at = 0;
      while (at < chunk.length) {
        const buffer = this.#room(chunk.length - at);
        const taken = Math.min(chunk.length - at, bufferSize - this.#filled);
        buffer.set(taken === chunk.length ? chunk : chunk.subarray(at, at + taken), this.#filled);
        this.#filled += taken;
        at += taken;
        if (this.#filled === bufferSize) await this.#flush();
      }
    } catch (error) {
      await this.#discard();
      throw storageError(error);
    }
  }

  async commit(): Promise<BlobInfo> {
    this.#assertOpen();
    this.#state = 'committing';
    try {
      await this.#flight;
      await this.#syncing;
      await this.#landed();
      const buffer = this.#room(0);
      this.#hash.update(buffer.subarray(0, this.#filled));
      const described = { size: this.#size, digest: this.#hash.digest('hex'), mediaType: this.#mediaType };
      writeFooter(described, buffer, this.#filled);
      const rest = buffer.subarray(0, this.#filled + footerSize);
      const file = await this.#file;
      if (this.#large) await this.#publishLarge(file, rest);
      else await this.#publishSmall(file, rest);
      this.#state = 'committed';
      this.#release();
      return { id: this.id, ...described };
    } catch (error) {
      await this.#discard();
      throw storageError(error);
    }
  }

  async #publishLarge(file: number, rest: Uint8Array): Promise<void> {
    await writeFully(file, rest, this.#position);
    await syncData(file);
    this.#close(file);
    await this.#publish(this.id, this.#path);
  }

  /**
   * A small file goes into the system's cache by direct calls, each cheaper than a visit to the thread pool;
   * then its bytes and its name are made durable together. Until both are, nobody knows the id; a crash in
   * between leaves a file that its footer shows to be damaged, or none.
   */
  async #publishSmall(file: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
    const data = syncData(file);
    data.catch(() => undefined); // thrown by the publication, or after its own error no news
    try {
      await this.#publish(this.id, this.#path, data);
    } finally {
      await Promise.allSettled([data]); // a descriptor in use must not be closed
      this.#close(file);
    }
  }

  #close(file: number): void {
    if (!this.#closed) closeSync(file);
    this.#closed = true;
  }

  /** Does nothing while a commit is under way: the commit then decides. */
  async abort(): Promise<void> {
    await this.#writing; // the file must not be closed under a write that is on its way
    if (this.#state === 'open') await this.#discard();
  }

  #assertOpen(): void {
    if (this.#state !== 'open') throw new Error(`Blob ${this.id} takes no more calls: it is ${this.#state}.`);
  }

  /** The buffer with room for `more` bytes, as far as it may grow, and for the footer. */
  #room(more: number): Buffer {
    if (this.#buffer === undefined) {
      this.#buffer = this.#spare;
      this.#spare = undefined;
    }
    const wanted = Math.min(bufferSize, this.#filled + more);
    if (this.#buffer !== undefined && this.#buffer.length >= wanted + footerSize) return this.#buffer;
    // A buffer that was filled once will be filled again.
    const size = this.#large ? bufferSize : Math.max(wanted, 2 * this.#filled);
    const grown = Buffer.allocUnsafeSlow(Math.min(bufferSize, size) + footerSize);
    this.#buffer?.copy(grown, 0, 0, this.#filled);
    return (this.#buffer = grown);
  }

  /** Sends the gathered bytes on their way, once those before them have landed. */
  async #flush(): Promise<void> {
    await this.#landed();
    const buffer = this.#buffer;
    if (buffer === undefined || this.#filled === 0) return;
    const filled = this.#filled;
    this.#buffer = undefined;
    this.#filled = 0;
    this.#flight = this.#put(buffer.subarray(0, filled)).then(
      () => {
        this.#spare = buffer;
      },
      (error: unknown) => {
        this.#failure = error;
      },
    );
  }

  async #landed(): Promise<void> {
    await this.#flight;
    this.#flight = undefined;
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  /** The hash is computed while the system writes. */
  async #put(bytes: Uint8Array): Promise<void> {
    this.#large = true;
    const file = await this.#file;
    const writing = writeFully(file, bytes, this.#position);
    this.#position += bytes.length;
    this.#hash.update(bytes);
    await writing;
    if (this.#syncing !== undefined || this.#position - this.#synced < syncEvery) return;
    this.#synced = this.#position;
    this.#syncing = syncData(file).then(
      () => {
        this.#syncing = undefined;
      },
      (error: unknown) => {
        // The system reports a lost write once only, perhaps to this call: the blob must not be committed.
        this.#failure = error;
      },
    );
  }

  async #discard(): Promise<void> {
    this.#state = 'gone';
    await this.#flight;
    await this.#syncing; // a descriptor in use must not be closed
    await this.#file.then(
      (file) => this.#close(file),
      () => undefined,
    );
    await rm(this.#path, { force: true });
    this.#release();
  }

  #release(): void {
    this.#buffer = undefined;
    this.#spare = undefined;
    this.#ended();
  }
}
