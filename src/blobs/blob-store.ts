/**
 * The seam to large data: write-once blobs under ids of the store's choosing.
 *
 * A blob is either whole and durable, or not there: what was written but not committed can never be read, and
 * is gone after `abort()` or after the writer's process died and the store was opened again.
 */
import { DrayError } from '../jobs/errors.js';

export interface BlobInfo {
  readonly id: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the bytes, in hex. */
  readonly digest: string;
  readonly mediaType: string;
}

export interface BlobWriter {
  /** Known from the start, so that a record that will point to the blob can be made ready; readable only after commit. */
  readonly id: string;
  /** Bytes written so far. */
  readonly size: number;
  /**
   * Appends the bytes. The chunk may be reused by the caller once the promise resolves.
   * @throws DrayError `storage-full`; nothing of the blob is kept then.
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Makes the blob durable and readable.
   * @throws DrayError `storage-full`; nothing of the blob is kept then.
   */
  commit(): Promise<BlobInfo>;
  /** Forgets what was written. Harmless after commit and when called twice. */
  abort(): Promise<void>;
}

export interface BlobStore {
  /**
   * @param params.mediaType 1 to 100 printable ASCII characters.
   * @throws DrayError `invalid-request` for another media type; `storage-full`.
   */
  create(params: { mediaType: string }): Promise<BlobWriter>;
  stat(params: { id: string }): Promise<BlobInfo | undefined>;
  /**
   * Fills `target` with the bytes from `offset` on.
   * @throws DrayError `blob-not-found`; RangeError where the blob ends before `target` is full.
   */
  readInto(params: { id: string; offset: number; target: Uint8Array }): Promise<void>;
  /**
   * The bytes [start, end) as a stream, the whole blob by default. A consumer that stops early releases what
   * the stream holds.
   * @throws DrayError `blob-not-found`, or RangeError where the blob ends before `end`, on the first read.
   */
  read(params: { id: string; start?: number; end?: number }): AsyncIterable<Uint8Array>;
  /** Ids in ascending order, at most `limit`, above `after`. */
  list(params: { after?: string; limit: number }): Promise<readonly string[]>;
  /** Bytes that all blobs take together, about. Costs a look at each of them. */
  usage(): Promise<number>;
  /**
   * Keeps the blob from `delete` with `unlessKept` for so long, in ms: a job that will use it is on its way.
   * @returns false where there is no such blob; then there never will be.
   */
  keep(params: { id: string; forMs: number }): Promise<boolean>;
  /** True where there was such a blob, and, with `unlessKept`, nobody keeps it; then it is gone. */
  delete(params: { id: string; unlessKept?: boolean }): Promise<boolean>;
  /** Aborts what is not committed. */
  close(): Promise<void>;
}

/** For implementations of `create`. @throws DrayError `invalid-request`. */
export function checkMediaType(mediaType: string): void {
  if (/^[\x20-\x7e]{1,100}$/.test(mediaType)) return;
  throw new DrayError('invalid-request', 'A media type is 1 to 100 printable ASCII characters.', {
    field: 'mediaType',
  });
}
