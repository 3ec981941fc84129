/** Signed addresses: whoever has one may do that one thing until it expires, without credentials. */
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { createClient, type Bucket, type S3Server } from './bucket.js';
import { contentType } from './writer.js';

export class Links {
  readonly #bucket: string;
  readonly #client: S3Client;

  /** @param params.publicEndpoint the server's address for those who are given links, where it is another one. */
  constructor(params: { bucket: Bucket; server: S3Server; publicEndpoint: string | undefined }) {
    const { bucket, server, publicEndpoint } = params;
    this.#bucket = bucket.name;
    this.#client =
      publicEndpoint === undefined ? bucket.client : createClient({ ...server, endpoint: publicEndpoint });
  }

  read({ key, mediaType, forMs }: { key: string; mediaType: string; forMs: number }): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      ResponseContentType: contentType(mediaType),
    });
    return getSignedUrl(this.#client, command, { expiresIn: seconds(forMs) });
  }

  /** The digest is signed, so that the server takes these bytes alone: what was committed cannot be written over. */
  async write(params: {
    key: string;
    mediaType: string;
    size: number;
    digest: string;
    forMs: number;
  }): Promise<{ url: string; headers: Readonly<Record<string, string>> }> {
    const { key, mediaType, size, digest, forMs } = params;
    const type = contentType(mediaType);
    const sum = Buffer.from(digest, 'hex').toString('base64');
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      ContentType: type,
      ContentLength: size,
      ChecksumSHA256: sum,
    });
    const signed = new Set(['content-type', 'content-length', sumHeader]);
    const url = await getSignedUrl(this.#client, command, {
      expiresIn: seconds(forMs),
      signableHeaders: signed,
      unhoistableHeaders: signed,
    });
    return { url, headers: { 'content-type': type, 'content-length': String(size), [sumHeader]: sum } };
  }

  close(): void {
    this.#client.destroy();
  }
}

const sumHeader = 'x-amz-checksum-sha256';

function seconds(ms: number): number {
  return Math.max(1, Math.floor(ms / 1_000));
}
