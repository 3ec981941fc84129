/** The wire form of blobs. */
import { Type, type Static } from 'typebox';
import { limits } from '../jobs/limits.js';

export const Blob = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    size: Type.Integer({ description: 'Bytes.' }),
    digest: Type.String({ description: 'SHA-256 of the bytes, in hex.' }),
    mediaType: Type.String(),
  },
  { $id: 'Blob' },
);
export type Blob = Static<typeof Blob>;

/** What will be sent straight to the store. */
export const NewUploadLink = Type.Object(
  {
    size: Type.Integer({ minimum: 0, maximum: limits.linkedUpload, description: 'Bytes.' }),
    digest: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the bytes, in hex.' }),
    mediaType: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, default: 'application/octet-stream' }),
    ),
  },
  { additionalProperties: false },
);

const expiresAt = Type.String({ format: 'date-time' });

export const UploadLink = Type.Object(
  {
    id: Type.String({ format: 'uuid', description: 'Of the blob, once it is committed.' }),
    method: Type.Literal('PUT'),
    url: Type.String(),
    headers: Type.Record(Type.String(), Type.String(), { description: 'To be sent exactly so.' }),
    expiresAt,
  },
  { $id: 'UploadLink' },
);
export type UploadLink = Static<typeof UploadLink>;

/** Whoever has it may read the blob, without an API key. */
export const DownloadLink = Type.Object({ url: Type.String(), expiresAt }, { $id: 'DownloadLink' });
export type DownloadLink = Static<typeof DownloadLink>;

/** How an input or result names a blob. Any object with this key counts as a use of the blob. */
export const BlobReference = Type.Object({ blob: Type.String({ format: 'uuid' }) });
