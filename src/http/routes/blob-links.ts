/** Links: addresses by which clients move the bytes of blobs straight to and from the store. */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { Blob, DownloadLink, NewUploadLink, UploadLink } from '../../contract/blob.js';
import { Problem } from '../../contract/problem.js';
import { DrayError } from '../../jobs/errors.js';
import { limits } from '../../jobs/limits.js';
import type { App, Dependencies } from '../dependencies.js';
import { readSmallBody } from '../small-body.js';

const ById = Type.Object({ id: Type.String({ format: 'uuid' }) });
const tags = ['blobs'];
const body = { schema: Compile(NewUploadLink), what: 'the wish for a link' };
const forMs = limits.link;

export function blobLinkRoutes(app: App, { blobs, clock, dataRefusal }: Dependencies): void {
  const expiresAt = (): string => new Date(clock.now() + forMs).toISOString();

  app.post(
    '/v1/blobs/links',
    {
      schema: {
        tags,
        summary: 'Ask for a link to which a blob can be sent',
        description:
          'Send the bytes with the given method and headers, then commit the link. Needs blobs on S3.',
        body: NewUploadLink,
        response: { 201: UploadLink, '4xx': Problem },
      },
    },
    async (request, reply) => {
      const full = dataRefusal();
      if (full) throw full;
      const { mediaType = 'application/octet-stream', size, digest } = await readSmallBody(request, body);
      const link = (await blobs.createLink({ mediaType, size, digest, forMs })) ?? noLinks();
      return reply.code(201).send({ ...link, method: 'PUT', expiresAt: expiresAt() });
    },
  );

  app.post(
    '/v1/blobs/links/:id/commit',
    {
      schema: {
        tags,
        summary: 'Make a blob of what was sent to a link',
        description: 'Doing so again changes nothing.',
        params: ById,
        response: { 200: Blob, '4xx': Problem },
      },
    },
    (request) => blobs.commitLink(request.params),
  );

  app.get(
    '/v1/blobs/:id/link',
    {
      schema: {
        tags,
        summary: 'Ask for a link from which a blob can be read',
        params: ById,
        response: { 200: DownloadLink, '4xx': Problem },
      },
    },
    async (request) => {
      const url = (await blobs.link({ id: request.params.id, forMs })) ?? noLinks();
      return { url, expiresAt: expiresAt() };
    },
  );
}

function noLinks(): never {
  throw new DrayError(
    'no-links',
    'the blobs of this server are files: send them to POST /v1/blobs, and read them from GET /v1/blobs/{id}',
  );
}
