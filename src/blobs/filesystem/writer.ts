import { createHash } from 'node:crypto';
import { rm, type FileHandle } from 'node:fs/promises';
import type { BlobInfo, BlobWriter } from '../blob-store.js';
import { storageError, writeFully } from './files.js';
import { footerSize, writeFooter } from './footer.js';

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
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #publish: (id: string, path: string) => Promise<void>;
  readonly #ended: () => void;
  readonly #hash = createHash('sha256');
  #size = 0;
  /** Bytes of the file that are written or on their way. */
  #position = 0;
  #buffer: Buffer | undefined;
  #spare: Buffer | undefined;
  #filled = 0;
  #flight: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #synced = 0;
  #failure: unknown;
  #state: 'open' | 'committing' | 'committed' | 'gone' = 'open';

  /**
   * @param publish moves the file to its place, durably.
   * @param ended called once, when nothing is left to abort.
   */
  constructor(params: {
    id: string;
    mediaType: string;
    file: FileHandle;
    path: string;
    publish: (id: string, path: string) => Promise<void>;
    ended: () => void;
  }) {
    this.id = params.id;
    this.#mediaType = params.mediaType;
    this.#file = params.file;
    this.#path = params.path;
    this.#publish = params.publish;
    this.#ended = params.ended;
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
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
        // Room for the footer, so that a small blob is one write.
        const buffer = (this.#buffer ??= this.#spare ?? Buffer.allocUnsafeSlow(bufferSize + footerSize));
        if (buffer === this.#spare) this.#spare = undefined;
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
      const buffer = this.#buffer ?? Buffer.allocUnsafeSlow(footerSize);
      this.#hash.update(buffer.subarray(0, this.#filled));
      const described = { size: this.#size, digest: this.#hash.digest('hex'), mediaType: this.#mediaType };
      writeFooter(described, buffer, this.#filled);
      await writeFully(this.#file, buffer.subarray(0, this.#filled + footerSize), this.#position);
      await this.#file.datasync();
      await this.#file.close();
      await this.#publish(this.id, this.#path);
      this.#state = 'committed';
      this.#release();
      return { id: this.id, ...described };
    } catch (error) {
      await this.#discard();
      throw storageError(error);
    }
  }

  /** Does nothing while a commit is under way: the commit then decides. */
  async abort(): Promise<void> {
    if (this.#state === 'open') await this.#discard();
  }

  #assertOpen(): void {
    if (this.#state !== 'open') throw new Error(`Blob ${this.id} takes no more calls: it is ${this.#state}.`);
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
    const writing = writeFully(this.#file, bytes, this.#position);
    this.#position += bytes.length;
    this.#hash.update(bytes);
    await writing;
    if (this.#syncing !== undefined || this.#position - this.#synced < syncEvery) return;
    this.#synced = this.#position;
    this.#syncing = this.#file.datasync().then(
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
    // Closing fails only where the commit closed it already, and then there is nothing left to close.
    await this.#file.close().catch(() => undefined);
    await rm(this.#path, { force: true });
    this.#release();
  }

  #release(): void {
    this.#buffer = undefined;
    this.#spare = undefined;
    this.#ended();
  }
}
