/** /v1/blobs: large data, uploaded once and named by jobs. */
import { Type } from 'typebox';
import type { Bytes } from '../../json/read.js';
import { Blob } from '../../contract/blob.js';
import { Problem } from '../../contract/problem.js';
import { DrayError } from '../../jobs/errors.js';
import type { App, Dependencies } from '../dependencies.js';
import { sendBlob } from '../ranges.js';
import { refuseTooLarge } from '../submission.js';
import { Uploads } from '../uploads.js';

const ById = Type.Object({ id: Type.String({ format: 'uuid' }) });
const tags = ['blobs'];

export function blobRoutes(app: App, { blobs, bodyLimit, dataRefusal }: Dependencies): void {
  app.post(
    '/v1/blobs',
    {
      schema: {
        tags,
        summary: 'Upload a blob',
        consumes: ['application/octet-stream', 'application/x-npy'],
        body: Type.String({ format: 'binary' }),
        response: { 201: Blob, '4xx': Problem },
      },
    },
    async (request, reply) => {
      const full = dataRefusal();
      if (full) throw full;
      refuseTooLarge(request, bodyLimit);
      const body = request.body as unknown as Bytes | undefined;
      if (!body) throw new DrayError('upload-incomplete', 'the request has no body');
      const uploads = new Uploads(blobs);
      try {
        const mediaType = request.headers['content-type'] ?? 'application/octet-stream';
        const info = await uploads.store(body, mediaType, bodyLimit);
        return await reply.code(201).header('location', `/v1/blobs/${info.id}`).send(info);
      } catch (error) {
        await uploads.discard();
        throw error;
      }
    },
  );

  app.get(
    '/v1/blobs/:id',
    {
      schema: {
        tags,
        summary: 'Download a blob, or a range of it',
        params: ById,
        response: { '4xx': Problem },
      },
    },
    async (request, reply) => {
      const info = (await blobs.stat(request.params)) ?? missing(request.params.id);
      return sendBlob(request, reply, blobs, info, info.id);
    },
  );

  app.delete(
    '/v1/blobs/:id',
    {
      schema: {
        tags,
        summary: 'Remove a blob',
        description: 'Jobs that still need it will fail.',
        params: ById,
        response: { 204: Type.Null(), '4xx': Problem },
      },
    },
    async (request, reply) => {
      if (!(await blobs.delete(request.params))) missing(request.params.id);
      return reply.code(204).send(null);
    },
  );
}

function missing(id: string): never {
  throw new DrayError('blob-not-found', `there is no blob ${id}`);
}
