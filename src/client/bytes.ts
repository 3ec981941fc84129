/** Large data on its way: from files and streams to the server, and from the server into files. */
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { BytesBody, StreamedBody } from './transport.js';

/** What can be sent: bytes, a stream of them, or a file. */
export type Upload = Uint8Array | AsyncIterable<Uint8Array> | { readonly path: string };

/** Told the bytes moved so far and, where it is known, in all. */
export type OnBytes = (done: number, total?: number) => void;

/** From `start` up to, and without, `end`, in bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number | undefined;
}

/** What comes from the server. */
export interface Bytes {
  readonly mediaType: string;
  /** Bytes in all, where the server says so. */
  readonly length: number | undefined;
  /** To be read once, to its end or until it is left; the connection is held until then. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

const chunkSize = 1 << 20;

/** @throws the file system's error where a file cannot be read. */
export async function uploadBody(data: Upload, contentType: string): Promise<StreamedBody | BytesBody> {
  if (data instanceof Uint8Array) return { contentType, bytes: data };
  if (!('path' in data)) return { contentType, chunks: () => data };
  const { path } = data;
  const length = await fileSize(path);
  return { contentType, length, chunks: () => fileChunks(path, length) };
}

/** @throws where it is no file, as the file system does where there is none. */
export async function fileSize(path: string): Promise<number> {
  const info = await stat(path);
  if (!info.isFile()) throw Object.assign(new Error(`${path} is not a file`), { code: 'ENOTFILE', path });
  return info.size;
}

/** The first `size` bytes of a file, which may grow meanwhile. @throws where it became shorter. */
export async function* fileChunks(path: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  let left = size;
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: chunkSize })) {
      yield chunk as Uint8Array;
      left -= (chunk as Uint8Array).length;
    }
  }
  if (left > 0) throw new Error(`${path} became shorter while it was sent`);
}

/**
 * Writes to `part` first and renames it when whole: `path` never holds half of it.
 *
 * @returns how many bytes it were.
 */
export async function saveTo(
  { chunks, length }: Bytes,
  to: { path: string; part: string; onBytes?: OnBytes | undefined; signal?: AbortSignal | undefined },
): Promise<number> {
  const { path, part, onBytes, signal } = to;
  let done = 0;
  const counted = async function* () {
    for await (const chunk of chunks) {
      yield chunk;
      done += chunk.length;
      onBytes?.(done, length);
    }
  };
  try {
    const file = createWriteStream(part, { flags: 'wx', highWaterMark: chunkSize });
    await pipeline(counted(), file, signal ? { signal } : {});
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw signal?.aborted ? signal.reason : error;
  }
  return done;
}
