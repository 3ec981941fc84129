/** Serving bytes of a known length: whole, or one range of them, with their digest as the entity tag. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import parseRange from 'range-parser';
import { Readable } from 'node:stream';
import { createHash } from 'node:crypto';
import type { BlobInfo, BlobStore } from '../blobs/blob-store.js';
import { DrayError } from '../jobs/errors.js';

/** What can be served in ranges. */
interface Content {
  readonly size: number;
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly mediaType: string;
  read(start: number, end: number): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export function sendBlob(
  request: FastifyRequest,
  reply: FastifyReply,
  blobs: BlobStore,
  info: BlobInfo,
  fileName: string,
): FastifyReply {
  const { id, size, digest, mediaType } = info;
  const read = (start: number, end: number) => blobs.read({ id, start, end });
  return sendContent(request, reply, { size, digest, mediaType, read }, fileName);
}

export function sendBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  { bytes, mediaType }: { bytes: Uint8Array; mediaType: string },
  fileName: string,
): FastifyReply {
  const digest = createHash('sha256').update(bytes).digest('hex');
  const read = (start: number, end: number) => [bytes.subarray(start, end)];
  return sendContent(request, reply, { size: bytes.length, digest, mediaType, read }, fileName);
}

function sendContent(
  request: FastifyRequest,
  reply: FastifyReply,
  info: Content,
  fileName: string,
): FastifyReply {
  const etag = `"${info.digest}"`;
  void reply
    .header('etag', etag)
    .header('accept-ranges', 'bytes')
    .header('content-disposition', `attachment; filename="${fileName}"`)
    .type(info.mediaType);
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();

  const range = wantedRange(request, reply, info, etag);
  const { start, end } = range ?? { start: 0, end: info.size };
  if (range) {
    void reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${info.size}`);
  }
  void reply.header('content-length', end - start);
  if (request.method === 'HEAD') return reply.send(Readable.from([])); // for none, fastify would say a length of 0
  return reply.send(Readable.from(info.read(start, end), { objectMode: false }));
}

/** The one range asked for as [start, end); several ranges, or one for another version, give the whole. */
function wantedRange(
  request: FastifyRequest,
  reply: FastifyReply,
  info: Content,
  etag: string,
): { start: number; end: number } | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  if (range === undefined || request.method === 'HEAD' || (ifRange !== undefined && ifRange !== etag))
    return undefined;
  const ranges = parseRange(info.size, range);
  if (ranges === -1) {
    void reply.header('content-range', `bytes */${info.size}`);
    throw new DrayError('range-not-satisfiable', `range "${range}" lies outside of ${info.size} bytes`);
  }
  if (ranges === -2 || ranges.length !== 1 || ranges.type !== 'bytes') return undefined;
  return { start: ranges[0]!.start, end: ranges[0]!.end + 1 };
}
