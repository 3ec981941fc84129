/** Idempotency-Key: a submission that is sent again under its key gives the job of the first one. */
import type { FastifyRequest } from 'fastify';
import { createHash, type Hash } from 'node:crypto';
import { DrayError } from '../jobs/errors.js';
import type { Bytes } from '../json/read.js';

const header = 'idempotency-key';

/** Takes the fingerprint of a request while its body streams by, for bodies that are too large to hold. */
export class Fingerprint {
  readonly key: string;
  readonly #hash: Hash;

  constructor(key: string, request: FastifyRequest) {
    this.key = key;
    const path = request.url.replace(/\?.*$/s, '');
    const type = request.headers['content-type'] ?? '';
    this.#hash = createHash('sha256').update(`${request.method} ${path}\n${type}\n`);
  }

  readonly observe = (chunk: Uint8Array): void => {
    this.#hash.update(chunk);
  };

  /** The same bytes, each observed as it is taken. */
  async *through(body: Bytes): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      this.observe(chunk);
      yield chunk;
    }
  }

  /** What the engine compares. Once, after the whole body. */
  once(): { key: string; fingerprint: string } {
    return { key: this.key, fingerprint: this.#hash.digest('hex') };
  }
}

/**
 * @returns undefined where the header is not there: nothing is hashed then.
 * @throws DrayError `invalid-request` for a key of another form.
 */
export function fingerprintOf(request: FastifyRequest): Fingerprint | undefined {
  const key = request.headers[header];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && /^[\x21-\x7e]{1,255}$/.test(key)) return new Fingerprint(key, request);
  throw new DrayError(
    'invalid-request',
    'Idempotency-Key: must be 1 to 255 visible ASCII characters, without spaces',
    { field: `headers.${header}` },
  );
}
