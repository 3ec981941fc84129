/** What a container prints: passed on as it comes, and kept as a blob of text. */
import type { BlobWriter } from '../../blobs/blob-store.js';
import { MiB } from '../../jobs/limits.js';

/** Bytes of the blob; what follows is only passed on. */
const defaultMost = 64 * MiB;

export class ContainerLog {
  readonly #writer: BlobWriter;
  readonly #output: (text: string) => void;
  readonly #most: number;
  readonly #decoder = new TextDecoder();
  #room: number;
  #full = false;
  #atLineStart = true;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;
  #chunks = 0;

  /** @param params.most bytes that are kept. */
  constructor(params: { writer: BlobWriter; output: (text: string) => void; most?: number }) {
    this.#writer = params.writer;
    this.#output = params.output;
    this.#most = this.#room = params.most ?? defaultMost;
  }

  /** How many have been added: that it goes on shows by it. */
  get chunks(): number {
    return this.#chunks;
  }

  /** True where nothing has been printed. */
  get empty(): boolean {
    return this.#room === this.#most;
  }

  /**
   * @returns false once the log is closed.
   * @throws what the store of blobs throws.
   */
  async add(chunk: Uint8Array): Promise<boolean> {
    if (this.#closed) return false;
    this.#chunks += 1;
    await this.#append(this.#decoder.decode(chunk, { stream: true }));
    return !this.#closed;
  }

  /** A line of Dray's own, which says by its form that the container has not printed it. */
  note(text: string): Promise<void> {
    const line = `[dray] ${text}\n`;
    return this.#append(this.#atLineStart ? line : `\n${line}`, { beyond: true });
  }

  /** Takes no more, and makes it durable. @returns the blob's id. */
  async close(): Promise<string> {
    this.#closed = true;
    await this.#append(this.#decoder.decode());
    return (await this.#writer.commit()).id;
  }

  #append(text: string, { beyond = false } = {}): Promise<void> {
    if (text === '') return this.#writing;
    this.#output(text);
    this.#atLineStart = text.endsWith('\n');
    const bytes = Buffer.from(text);
    const kept = beyond ? bytes : wholeCharacters(bytes, this.#room);
    if (!beyond) this.#room -= kept.length;
    this.#write(kept);
    if (kept.length < bytes.length && !this.#full) {
      this.#full = true;
      this.#room = 0;
      this.#write(Buffer.from(`\n[dray] the log is longer than ${this.#most} bytes; the rest is not kept\n`));
    }
    return this.#writing;
  }

  /** One at a time, in this order, and nothing beside a commit. */
  #write(bytes: Buffer): void {
    if (bytes.length > 0) this.#writing = this.#writing.then(() => this.#writer.write(bytes));
  }
}

/** As many bytes of a text as fit, without a part of a character at the end. */
function wholeCharacters(bytes: Buffer, most: number): Buffer {
  if (bytes.length <= most) return bytes;
  let end = most;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
