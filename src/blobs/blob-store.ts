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
  /**
   * Removes what was written and not committed: that of a writer, by the name under which its process had opened the
   * store and which must be dead, or all that was begun before a moment, in ms since the epoch, by whomever. The
   * moment must be longer ago than any upload takes. A call does a bounded part, and the next goes on there.
   */
  clear(params: { writer: string } | { begunBefore: number }): Promise<void>;
  /**
   * An address from which whoever has it may read the blob, straight from where it lies, for `forMs`.
   * @returns undefined where the store has no such addresses.
   * @throws DrayError `blob-not-found`.
   */
  link(params: { id: string; forMs: number }): Promise<string | undefined>;
  /**
   * An address to which these bytes, and no others, may be sent for `forMs`. They are a blob after `commitLink`.
   * @param params.digest SHA-256 in hex.
   * @returns undefined where the store has no such addresses.
   */
  createLink(params: {
    mediaType: string;
    size: number;
    digest: string;
    forMs: number;
  }): Promise<UploadLink | undefined>;
  /**
   * Makes a blob of what was sent to a link. Once it is one, doing so again changes nothing.
   * @throws DrayError `upload-incomplete` where it has not arrived; `blob-not-found` where there is no such link.
   */
  commitLink(params: { id: string }): Promise<BlobInfo>;
  /** Aborts what is not committed. */
  close(): Promise<void>;
}

/** Where and how to send the bytes of a blob: one PUT with exactly these headers. */
export interface UploadLink {
  /** The blob's, once it is committed. */
  readonly id: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Ids come from outside: nothing but a UUID may become a part of a path or a key. */
export const blobIdShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** For implementations of `create`. @throws DrayError `invalid-request`. */
export function checkMediaType(mediaType: string): void {
  if (/^[\x20-\x7e]{1,100}$/.test(mediaType)) return;
  throw new DrayError('invalid-request', 'A media type is 1 to 100 printable ASCII characters.', {
    field: 'mediaType',
  });
}

/** For implementations of `read` and `readInto`. @throws RangeError. */
export function checkRange(info: BlobInfo, start: number, end: number): void {
  if (start >= 0 && start <= end && end <= info.size) return;
  throw new RangeError(`Blob ${info.id} has ${info.size} bytes; ${start} to ${end} is outside of it.`);
}

export function noSuchBlob(id: string): DrayError {
  return new DrayError('blob-not-found', `There is no blob ${id.slice(0, 64)}.`);
}
