/** Where the bytes of a stored matrix are read from: a blob, or an object outside of Dray that a URL names. */
import { DrayError } from '../../jobs/errors.js';
import type { TaskBlobs } from '../task.js';

export interface StoredBytes {
  readonly size: number;
  /** Fills `target` with the bytes from `offset` on. */
  readInto(params: { offset: number; target: Uint8Array }): Promise<void>;
}

/** An object as it was when it was opened: once it has changed, reading it fails. */
export interface UrlObject extends StoredBytes {
  readonly version: string;
}

/** The objects outside of Dray that an input may name. */
export interface UrlObjects {
  /**
   * @param params.version the object must still be this one.
   * @param params.field names the matrix in errors.
   * @throws DrayError `unsupported-source` where such a URL is not taken here; `unreadable-url`.
   */
  open(params: { url: string; version?: string; field: string }): Promise<UrlObject>;
}

/** Where there is no server to read from. */
export const noUrls: UrlObjects = {
  open: ({ field }) =>
    Promise.reject(
      new DrayError(
        'unsupported-source',
        `${field}: inputs by url are read from S3, which this server does not use; upload the data as a blob`,
        { field },
      ),
    ),
};

/** @throws DrayError `blob-not-found` that names the field. */
export async function bytesOfBlob(blobs: TaskBlobs, id: string, field: string): Promise<StoredBytes> {
  const info = await blobs.stat({ id });
  if (info === undefined)
    throw new DrayError('blob-not-found', `${field}: there is no blob ${id}`, { field });
  return { size: info.size, readInto: (range) => blobs.readInto({ id, ...range }) };
}
