/** Objects of other buckets, named by URLs: read where the operator allows it, and never written. */
import type { Clock } from '../../clock.js';
import { DrayError } from '../../jobs/errors.js';
import { Bucket, type S3Server } from './bucket.js';
import { isStatus } from './errors.js';

export interface S3UrlObjectsOptions extends S3Server {
  /** Buckets, each whole or only what lies below a prefix: `bucket`, `bucket/prefix`. */
  readonly allowed: readonly string[];
  readonly clock: Clock;
  readonly patienceMs?: number;
}

export interface OpenUrlObject {
  readonly size: number;
  /** Another one once the object has changed. */
  readonly version: string;
  readInto(params: { offset: number; target: Uint8Array }): Promise<void>;
}

const defaultPatienceMs = 10_000;

/** Objects whose bytes are a job's input; `field` names the input in errors. */
export class S3UrlObjects {
  readonly #options: S3UrlObjectsOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: S3UrlObjectsOptions) {
    this.#options = options;
  }

  /** @throws DrayError `unsupported-source` or `unreadable-url`; `unavailable` where the server does not answer. */
  async open(params: { url: string; version?: string; field: string }): Promise<OpenUrlObject> {
    const { url, field } = params;
    const { name, key } = this.#parse(url, field);
    const bucket = this.#bucket(name);
    const unreadable = (why: string, cause?: unknown): DrayError =>
      new DrayError('unreadable-url', `${field}: ${url} ${why}`, { field, cause });
    const guarded = async <T>(asking: Promise<T>): Promise<T> => {
      try {
        return await asking;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        throw unreadable('may not be read by this server', error);
      }
    };
    const found = await guarded(bucket.head(key));
    if (found === undefined) throw unreadable('does not exist');
    const { size, etag } = found;
    const changed = (): DrayError => unreadable('is not any more what it was when the job was submitted');
    if (params.version !== undefined && params.version !== etag) throw changed();
    const readInto = async ({ offset, target }: { offset: number; target: Uint8Array }): Promise<void> => {
      if (target.length === 0) return;
      if (!(await guarded(bucket.readInto({ key, offset, target, etag })))) throw changed();
    };
    return { size, version: etag, readInto };
  }

  #parse(url: string, field: string): { name: string; key: string } {
    const refuse = (why: string): DrayError =>
      new DrayError('unsupported-source', `${field}: ${why}`, { field });
    const [, name, key] = /^s3:\/\/([a-z\d][a-z\d.-]{1,61}[a-z\d])\/(.+)$/s.exec(url) ?? [];
    if (name === undefined || key === undefined)
      throw refuse(`${url} is not of the form s3://bucket/key.npy`);
    if (key.split('/').some((part) => part === '.' || part === '..')) {
      throw refuse(`${url} has a part . or .. in its key`);
    }
    const { allowed } = this.#options;
    if (allowed.some((entry) => `${name}/${key}`.startsWith(`${entry.replace(/\/+$/, '')}/`)))
      return { name, key };
    throw refuse(
      allowed.length === 0
        ? 'this server reads no inputs by url: --allow-buckets names no bucket; upload the data as a blob'
        : `${url} is in none of the buckets that this server reads inputs from: ${allowed.join(', ')}`,
    );
  }

  /** As many as are allowed, at most. */
  #bucket(name: string): Bucket {
    const { clock, patienceMs = defaultPatienceMs } = this.#options;
    const bucket = this.#buckets.get(name) ?? new Bucket({ name, server: this.#options, clock, patienceMs });
    this.#buckets.set(name, bucket);
    return bucket;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof DrayError && isStatus(error.cause, 401, 403);
}
