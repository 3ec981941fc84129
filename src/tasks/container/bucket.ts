/**
 * Looks into buckets of whatever server clients name and the operator allows: one request after the other to the
 * address that was judged, no redirect followed, no answer read beyond its bound.
 */
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { pipeline, Readable, Transform } from 'node:stream';
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import { MiB } from '../../jobs/limits.js';
import { pinnedTo, type Addresses } from './address.js';
import type { BucketUrl } from './bucket-url.js';

/** What it takes to look into the buckets of a host. */
export interface BucketCredentials {
  readonly accessKey: string;
  readonly secretKey: string;
  /** By default the one in the names of AWS's hosts, else us-east-1. */
  readonly region?: string;
}

export interface BucketFile {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
}

export interface Buckets {
  /**
   * The objects below the prefix, in the order of their keys.
   * @param params.addresses where the host is.
   * @returns `truncated` where there are more than are listed.
   * @throws Error that says why they cannot be listed; DrayError `unavailable` that says so where they may be listed a
   * moment later; the signal's reason when aborted.
   */
  list(params: {
    bucket: BucketUrl;
    addresses: Addresses;
    signal: AbortSignal;
  }): Promise<{ readonly files: readonly BucketFile[]; readonly truncated: boolean }>;
}

const connectMs = 3_000;
/** All pages together. */
const listMs = 30_000;
const mostFiles = 10_000;
const pageSize = 1_000;
/** A page of the longest keys is 4 MiB. */
const mostAnswer = 8 * MiB;

export class S3Buckets implements Buckets {
  readonly #credentials: ReadonlyMap<string, BucketCredentials>;
  readonly #clock: Clock;
  readonly #mostFiles: number;

  /** @param params.credentials by `host:port`. Others are asked without. */
  constructor(params: {
    credentials: ReadonlyMap<string, BucketCredentials>;
    clock: Clock;
    mostFiles?: number;
  }) {
    this.#credentials = params.credentials;
    this.#clock = params.clock;
    this.#mostFiles = params.mostFiles ?? mostFiles;
  }

  async list(params: { bucket: BucketUrl; addresses: Addresses; signal: AbortSignal }) {
    const { bucket, addresses, signal } = params;
    const late = new AbortController();
    const cancelTimer = this.#clock.after(listMs, () => late.abort());
    const client = createClient(bucket, addresses, this.#credentials.get(`${bucket.host}:${bucket.port}`));
    try {
      return await this.#pages(client, bucket, AbortSignal.any([signal, late.signal]));
    } catch (error) {
      signal.throwIfAborted();
      const why =
        `bucket "${bucket.bucket}" at ${bucket.host}:${bucket.port} could not be listed: ` +
        (late.signal.aborted ? `no answer within ${listMs / 1_000} s` : reasonOf(error));
      const status = statusOf(error);
      const refused = status !== undefined && status < 500 && status !== 429;
      throw refused || error instanceof TooLarge
        ? new Error(why, { cause: error })
        : new DrayError('unavailable', why, { cause: error });
    } finally {
      cancelTimer();
      client.destroy();
    }
  }

  async #pages(client: S3Client, { bucket, prefix }: BucketUrl, abortSignal: AbortSignal) {
    const files: BucketFile[] = [];
    let after: string | undefined;
    for (;;) {
      // One more than are wanted tells whether there are more.
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        MaxKeys: Math.min(pageSize, this.#mostFiles + 1 - files.length),
        ...(after !== undefined && { StartAfter: after }),
      });
      const { Contents = [], IsTruncated = false } = await client.send(command, { abortSignal });
      for (const { Key = '', Size = 0 } of Contents) files.push({ key: Key, size: Size });
      if (files.length > this.#mostFiles) return { files: files.slice(0, this.#mostFiles), truncated: true };
      after = Contents.at(-1)?.Key;
      if (!IsTruncated || after === undefined) return { files, truncated: false };
    }
  }
}

function createClient(
  { host, origin }: BucketUrl,
  addresses: Addresses,
  credentials: BucketCredentials | undefined,
): S3Client {
  const region = credentials?.region ?? /(?:^|\.)s3[.-]([a-z\d-]+)\.amazonaws\.com$/.exec(host)?.[1];
  const lookup = pinnedTo(addresses);
  const client = new S3Client({
    endpoint: origin,
    forcePathStyle: true,
    region: region ?? 'us-east-1',
    maxAttempts: 1,
    followRegionRedirects: false,
    requestHandler: {
      connectionTimeout: connectMs,
      httpAgent: new HttpAgent({ lookup }),
      httpsAgent: new HttpsAgent({ lookup }),
    },
    // Never those of Dray's own environment: they are for its blobs, not for whatever host a client names.
    ...(credentials
      ? { credentials: { accessKeyId: credentials.accessKey, secretAccessKey: credentials.secretKey } }
      : {
          credentials: { accessKeyId: '', secretAccessKey: '' },
          signer: { sign: (request) => Promise.resolve(request) },
        }),
  });
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as { body?: unknown };
      if (response.body instanceof Readable) response.body = bounded(response.body);
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'boundedAnswer' },
  );
  return client;
}

class TooLarge extends Error {}

function bounded(body: Readable): Readable {
  let seen = 0;
  const bound = new Transform({
    transform: (chunk: Uint8Array, _encoding, done) => {
      seen += chunk.length;
      if (seen > mostAnswer) done(new TooLarge(`the answer is larger than ${mostAnswer} bytes`));
      else done(null, chunk);
    },
  });
  return pipeline(body, bound, () => undefined); // its error is the reader's
}

/** The HTTP status of an answer, whether it was understood or not; undefined where there was none. */
function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
  };
  return $metadata?.httpStatusCode ?? $response?.statusCode;
}

/** What S3's library says, where that is more than a name. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, message } = error;
  if (name === 'NoSuchBucket') return 'there is no such bucket';
  if (name === 'AccessDenied' || name === 'Forbidden') {
    return 'the server does not let Dray list it (--bucket-credentials)';
  }
  const said = message === '' || message === 'UnknownError' ? name : message;
  return said.slice(0, 500);
}
