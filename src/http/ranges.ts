/** Serving a blob: whole, or one range of it, with its digest as the entity tag. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import parseRange from 'range-parser';
import { Readable } from 'node:stream';
import type { BlobInfo, BlobStore } from '../blobs/blob-store.js';
import { DrayError } from '../jobs/errors.js';

export function sendBlob(
  request: FastifyRequest,
  reply: FastifyReply,
  blobs: BlobStore,
  info: BlobInfo,
  fileName: string,
): FastifyReply {
  const etag = `"${info.digest}"`;
  void reply
    .header('etag', etag)
    .header('accept-ranges', 'bytes')
    .header('content-disposition', `attachment; filename="${fileName}"`)
    .header('x-content-type-options', 'nosniff')
    .type(info.mediaType);
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();

  const range = wantedRange(request, reply, info, etag);
  const { start, end } = range ?? { start: 0, end: info.size };
  if (range) {
    void reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${info.size}`);
  }
  void reply.header('content-length', end - start);
  if (request.method === 'HEAD') return reply.send(Readable.from([])); // for none, fastify would say a length of 0
  return reply.send(Readable.from(blobs.read({ id: info.id, start, end }), { objectMode: false }));
}

/** The one range asked for as [start, end); several ranges, or one for another version, give the whole. */
function wantedRange(
  request: FastifyRequest,
  reply: FastifyReply,
  info: BlobInfo,
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
