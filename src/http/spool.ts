/**
 * Sets a value's bytes aside until it is known how to read them: an input that comes before its job's type.
 * Small ones stay in memory, large ones go to a blob that is removed afterwards.
 */
import type { BlobStore, BlobWriter } from '../blobs/blob-store.js';
import { MiB } from '../jobs/limits.js';
import type { ValueSink } from '../json/sink.js';

const memoryLimit = MiB;
const quote = 0x22;
const backslash = 0x5c;

export class SpoolSink implements ValueSink {
  readonly #blobs: BlobStore;
  #chunks: Uint8Array[] = [];
  #held = 0;
  #writer: BlobWriter | undefined;
  #blob: string | undefined;
  #reading: AsyncIterator<Uint8Array> | undefined;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #scalar = false;
  done = false;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** Finds the value's end by its brackets and quotes alone; whether it is valid is seen when it is read. */
  feed(chunk: Uint8Array, at: number): number {
    let i = at;
    for (; i < chunk.length && !this.done; i++) {
      const byte = chunk[i]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) {
          this.#inString = false;
          this.done = this.#depth === 0;
        }
      } else if (byte === quote) this.#inString = true;
      else if (byte === 0x5b || byte === 0x7b) this.#depth++;
      else if (byte === 0x5d || byte === 0x7d) {
        if (this.#scalar) {
          this.done = true;
          break; // closes what surrounds the scalar
        }
        this.done = --this.#depth === 0;
      } else if (this.#depth === 0) {
        if (byte === 0x2c || byte <= 0x20) {
          this.done = true;
          break;
        }
        this.#scalar = true;
      }
    }
    if (i > at) {
      this.#chunks.push(chunk.slice(at, i));
      this.#held += i - at;
    }
    return i;
  }

  drain(): Promise<void> | undefined {
    return this.#held > memoryLimit ? this.#spill() : undefined;
  }

  /** The value is not known here; read `bytes()` instead. */
  value(): undefined {
    return undefined;
  }

  /** The value's bytes, once the body was read. */
  async *bytes(): AsyncIterable<Uint8Array> {
    if (!this.#writer) {
      yield* this.#chunks;
      return;
    }
    await this.#spill();
    this.#blob = (await this.#writer.commit()).id;
    this.#reading = this.#blobs.read({ id: this.#blob })[Symbol.asyncIterator]();
    yield* { [Symbol.asyncIterator]: () => this.#reading! };
  }

  async close(): Promise<void> {
    await this.#reading?.return?.(); // a reader that stops at an error does not close it
    await this.#writer?.abort();
    if (this.#blob) await this.#blobs.delete({ id: this.#blob });
  }

  async #spill(): Promise<void> {
    this.#writer ??= await this.#blobs.create({ mediaType: 'application/json' });
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#held = 0;
    for (const chunk of chunks) await this.#writer.write(chunk);
  }
}
