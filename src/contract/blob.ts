/** The wire form of blobs. */
import { Type, type Static } from 'typebox';

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

/** How an input or result names a blob. Any object with this key counts as a use of the blob. */
export const BlobReference = Type.Object({ blob: Type.String({ format: 'uuid' }) });
