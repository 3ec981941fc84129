/** One bucket of an S3 server: single requests, each tried again for a bounded time, and errors that say what to do. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Clock } from '../../clock.js';
import { isConditionFailed, isNoObject, isNoUpload, isStatus, storeError, type Place } from './errors.js';
import { insist, type Patience } from './patience.js';

/** Where a bucket is. Credentials come from the environment, in the ways in which all AWS tools take them. */
export interface S3Server {
  /** Undefined for AWS itself. With it buckets are addressed by path. */
  readonly endpoint?: string;
  /** By default AWS_REGION's, or us-east-1 where there is an endpoint. */
  readonly region?: string;
}

/** Objects at a time in a page of a list; the protocol has no more. */
export const listPage = 1_000;

const connectMs = 3_000;
const tryMs = 30_000;
const connections = 64;

/** The library for a server, without tries of its own. Checksums beyond the signed ones are not known to every server. */
export function createClient({ endpoint, region }: S3Server): S3Client {
  const own = endpoint === undefined ? {} : { endpoint, forcePathStyle: true, region: region ?? 'us-east-1' };
  return new S3Client({
    ...(region !== undefined && { region }),
    ...own,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: connectMs,
      httpsAgent: { maxSockets: connections },
      httpAgent: { maxSockets: connections },
    },
  });
}

export interface StoredObject {
  readonly size: number;
  readonly etag: string;
  /** In hex, where the writer gave it and the server has it. */
  readonly digest?: string;
}

export class Bucket {
  readonly name: string;
  readonly client: S3Client;
  readonly #place: Place;
  readonly #patience: Patience;

  constructor(params: { name: string; server: S3Server; clock: Clock; patienceMs: number }) {
    const { name, server, clock, patienceMs } = params;
    this.name = name;
    this.client = createClient(server);
    this.#place = { bucket: name, server: server.endpoint ?? 'AWS S3' };
    this.#patience = { clock, patienceMs, tryMs };
  }

  /** @returns false where the object is not as `onlyIf` says: absent, or with that tag. */
  async put(params: {
    key: string;
    body: Uint8Array;
    contentType?: string;
    onlyIf?: 'absent' | { etag: string };
    signal?: AbortSignal;
  }): Promise<boolean> {
    const { key, body, contentType, onlyIf } = params;
    const command = new PutObjectCommand({
      Bucket: this.name,
      Key: key,
      Body: body,
      ...(contentType !== undefined && { ContentType: contentType }),
      ...(onlyIf === 'absent' ? { IfNoneMatch: '*' } : onlyIf && { IfMatch: onlyIf.etag }),
    });
    return this.#ask(async (signal) => {
      try {
        await this.client.send(command, { abortSignal: signal });
        return true;
      } catch (error) {
        if (onlyIf !== undefined && (isConditionFailed(error) || isNoObject(error))) return false;
        throw error;
      }
    }, params.signal);
  }

  /** For small objects. */
  async get(key: string): Promise<{ bytes: Buffer; etag: string } | undefined> {
    return this.#present(async (signal) => {
      const command = new GetObjectCommand({ Bucket: this.name, Key: key });
      const { Body, ETag } = await this.client.send(command, { abortSignal: signal });
      const chunks: Uint8Array[] = [];
      for await (const chunk of Body as AsyncIterable<Uint8Array>) chunks.push(chunk);
      return { bytes: Buffer.concat(chunks), etag: ETag ?? '' };
    });
  }

  async head(key: string): Promise<StoredObject | undefined> {
    return this.#present(async (signal) => {
      const command = new HeadObjectCommand({ Bucket: this.name, Key: key, ChecksumMode: 'ENABLED' });
      const {
        ContentLength = 0,
        ETag = '',
        ChecksumSHA256: sum,
      } = await this.client.send(command, {
        abortSignal: signal,
      });
      return {
        size: ContentLength,
        etag: ETag,
        ...(sum !== undefined && { digest: Buffer.from(sum, 'base64').toString('hex') }),
      };
    });
  }

  /**
   * Fills `target`, which has at least a byte, from `offset` on.
   * @returns false where the object is not there, or not with that tag.
   * @throws RangeError where it ends before.
   */
  async readInto(params: {
    key: string;
    offset: number;
    target: Uint8Array;
    etag?: string;
  }): Promise<boolean> {
    const { key, offset, target, etag } = params;
    const command = new GetObjectCommand({
      Bucket: this.name,
      Key: key,
      Range: `bytes=${offset}-${offset + target.length - 1}`,
      ...(etag !== undefined && { IfMatch: etag }),
    });
    const beyond = () => new RangeError(`${key} has no bytes ${offset} to ${offset + target.length}`);
    const found = await this.#present(async (signal) => {
      const { Body } = await this.client.send(command, { abortSignal: signal }).catch((error: unknown) => {
        throw isStatus(error, 416) ? beyond() : error;
      });
      let filled = 0;
      for await (const chunk of Body as AsyncIterable<Uint8Array>) {
        if (filled + chunk.length > target.length) break; // no range: said below
        target.set(chunk, filled);
        filled += chunk.length;
      }
      if (filled === target.length) return true;
      throw beyond();
    });
    return found !== undefined;
  }

  /** Harmless where there is no such object. */
  async remove(key: string): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.name, Key: key });
    await this.#present((signal) => this.client.send(command, { abortSignal: signal }));
  }

  /** Keys in ascending order, those above `after`, at most `listPage`. */
  async list(params: {
    prefix: string;
    after?: string;
  }): Promise<{ objects: readonly { key: string; size: number }[]; more: boolean }> {
    const command = new ListObjectsV2Command({
      Bucket: this.name,
      Prefix: params.prefix,
      MaxKeys: listPage,
      ...(params.after !== undefined && { StartAfter: params.after }),
    });
    const answer = await this.#ask((signal) => this.client.send(command, { abortSignal: signal }));
    const objects = (answer.Contents ?? []).map(({ Key = '', Size = 0 }) => ({ key: Key, size: Size }));
    return { objects, more: answer.IsTruncated ?? false };
  }

  /** @returns the id of the upload: parts are sent under it, and nothing is there until it is completed. */
  async beginUpload(key: string, contentType: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({
      Bucket: this.name,
      Key: key,
      ContentType: contentType,
    });
    const { UploadId } = await this.#ask((signal) => this.client.send(command, { abortSignal: signal }));
    if (UploadId === undefined) throw new Error('the S3 server began an upload without an id');
    return UploadId;
  }

  /** @param params.number from 1 on. @returns the part's tag. */
  async sendPart(params: {
    key: string;
    upload: string;
    number: number;
    body: Uint8Array;
    signal: AbortSignal;
  }): Promise<string> {
    const command = new UploadPartCommand({
      Bucket: this.name,
      Key: params.key,
      UploadId: params.upload,
      PartNumber: params.number,
      Body: params.body,
    });
    const { ETag } = await this.#ask(
      (signal) => this.client.send(command, { abortSignal: signal }),
      params.signal,
    );
    return ETag ?? '';
  }

  /** @param params.parts the tags in the order of their numbers. @param params.size of the whole. */
  async completeUpload(params: {
    key: string;
    upload: string;
    parts: readonly string[];
    size: number;
  }): Promise<void> {
    const { key, upload, parts, size } = params;
    const Parts = parts.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
    const command = new CompleteMultipartUploadCommand({
      Bucket: this.name,
      Key: key,
      UploadId: upload,
      MultipartUpload: { Parts },
    });
    try {
      await this.#ask((signal) => this.client.send(command, { abortSignal: signal }));
    } catch (error) {
      // A try whose answer was lost has completed it, and a second one finds no upload.
      if (!isNoUpload(error) || (await this.head(key))?.size !== size) throw error;
    }
  }

  /** Harmless where there is no such upload. */
  async abortUpload(key: string, upload: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: this.name, Key: key, UploadId: upload });
    await this.#present((signal) => this.client.send(command, { abortSignal: signal }));
  }

  close(): void {
    this.client.destroy();
  }

  /** Undefined where the object is not there, or not as the request's condition says. */
  #present<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    return this.#ask(async (signal) => {
      try {
        return await run(signal);
      } catch (error) {
        if (isNoObject(error) || isNoUpload(error) || isConditionFailed(error)) return undefined;
        throw error;
      }
    });
  }

  async #ask<T>(run: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await insist(this.#patience, run, signal);
    } catch (error) {
      throw storeError(error, this.#place);
    }
  }
}
