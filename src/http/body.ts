/**
 * Bodies as bytes. They are read by their routes, in bounded memory, whatever their size; a small one of JSON is
 * taken up whole before, because a stream and its iterator cost more than all that is done with it.
 */
import type { FastifyRequest } from 'fastify';
import { KiB } from '../jobs/limits.js';
import type { Bytes } from '../json/read.js';
import type { App } from './dependencies.js';

const small = 64 * KiB;

/** Leaves the body of each request to its route. */
export function takeBodies(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.addContentTypeParser('application/json', ({ headers }, payload, done) => {
    if (!(Number(headers['content-length']) <= small)) {
      done(null, payload);
      return;
    }
    const chunks: Uint8Array[] = [];
    payload.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    payload.once('end', () => done(null, chunks));
    payload.once('error', done); // also where the connection is cut
  });
}

/** The bytes of the body as they arrive; none where there is no body. */
export function bodyOf(request: FastifyRequest): Bytes {
  return (request.body as Bytes | undefined) ?? [];
}

/** Of the body, without parameters, in lower case; empty where none is given. */
export function mediaTypeOf({ headers }: FastifyRequest): string {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}
