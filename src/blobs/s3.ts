/**
 * Blobs as objects of one bucket, which any number of processes may use at the same time.
 *
 *     <prefix>blobs/<id>              the bytes
 *     <prefix>blobs/<id>.json         the record (s3/record.ts): with it the bytes are a blob, without it they are none
 *     <prefix>uploads/<writer>/<id>   a note that an upload is under way: in parts, or by a link
 *
 * Ids are UUIDv7, so the keys are in the order in which blobs were begun, and each record follows its bytes. What is
 * decided by several processes, whether a blob is kept or removed, is a conditional write of the record
 * (If-Match), one of which wins; `checkBucket` refuses a server that does not know them. Whether a blob is still
 * kept is told by the clocks of these processes, so they must not be minutes apart.
 */
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import {
  blobIdShape,
  checkMediaType,
  checkRange,
  noSuchBlob,
  type BlobInfo,
  type BlobStore,
  type BlobWriter,
  type UploadLink,
} from './blob-store.js';
import { Bucket, type S3Server } from './s3/bucket.js';
import { Clearing } from './s3/clearing.js';
import { isPassing, isStatus } from './s3/errors.js';
import { holdings, Layout } from './s3/layout.js';
import { Links } from './s3/links.js';
import { infoOf, readRecord, writeRecord, type BlobRecord } from './s3/record.js';
import { Slots } from './s3/slots.js';
import { S3BlobWriter, type WriterShare } from './s3/writer.js';

export interface S3Options extends S3Server {
  readonly bucket: string;
  /** Before all keys: empty, or ends with a slash. */
  readonly prefix: string;
  /** The server's address for those who are given links, where it is another one. */
  readonly publicEndpoint?: string;
  readonly clock: Clock;
  /** A name for this process: what it is writing is noted under it, for `clear` when it has died. */
  readonly writer?: string;
  /** How long a request is tried while the server does not answer, in ms. */
  readonly patienceMs?: number;
}

const defaultPatienceMs = 10_000;
/** Parts under way at a time, of all writers: 30 MB. */
const partsAtOnce = 6;
/** Each may hold a part's buffer: 640 MB, but for those that have ended. */
const mostLargeWriters = 128;
/** What one request asks for where more is read, and requests for one `readInto` at a time. */
const pieceSize = 4 * 1024 * 1024;
const lanes = 4;
/** What a stream reads at a time; one more piece is on its way meanwhile. */
const chunkSize = 2 * 1024 * 1024;
/** Each turn is lost to another process that has changed the record: so many are no accident. */
const mostTurns = 100;
/** Blobs whose record is remembered: a blob never changes, and one that is gone has no bytes. */
const knownBlobs = 1_024;

/** Asks nothing of the server yet; see `checkBucket`. */
export function openS3Blobs(options: S3Options): BlobStore {
  return new S3Blobs(options);
}

/**
 * Makes sure that the bucket is there, that it may be listed and written, and that the server knows conditional
 * writes.
 * @throws DrayError `invalid-request` that says what to do; `unavailable` where nobody answers.
 */
export async function checkBucket(options: S3Options): Promise<void> {
  const { bucket: name, prefix, clock, patienceMs = defaultPatienceMs } = options;
  const bucket = new Bucket({ name, server: options, clock, patienceMs });
  try {
    await bucket.list({ prefix });
    const key = `${new Layout(prefix).notes()}probe-${clock.id()}`;
    const written = await bucket.put({ key, body: Buffer.alloc(0), onlyIf: { etag: '"none"' } });
    if (!written) return;
    await bucket.remove(key);
    throw unconditional(name);
  } catch (error) {
    if (isStatus(error, 501)) throw unconditional(name);
    if (!(error instanceof DrayError) || error.code !== 'unavailable' || isPassing(error.cause)) throw error;
    throw new DrayError('invalid-request', error.message, { field: 'blobs', cause: error.cause });
  } finally {
    bucket.close();
  }
}

function unconditional(bucket: string): DrayError {
  return new DrayError(
    'invalid-request',
    `The S3 server of bucket "${bucket}" does not know conditional writes (If-Match): without them one process may ` +
      'remove what another needs. Use a server that does, such as AWS S3 or MinIO.',
    { field: 'blobs' },
  );
}

class S3Blobs implements BlobStore {
  readonly #bucket: Bucket;
  readonly #layout: Layout;
  readonly #clearing: Clearing;
  readonly #clock: Clock;
  readonly #links: Links;
  readonly #share: WriterShare;
  readonly #writers = new Set<BlobWriter>();
  readonly #known = new Map<string, BlobInfo>();

  constructor(options: S3Options) {
    const { bucket: name, prefix, clock, patienceMs = defaultPatienceMs } = options;
    this.#bucket = new Bucket({ name, server: options, clock, patienceMs });
    this.#layout = new Layout(prefix, options.writer);
    this.#clearing = new Clearing(this.#bucket, this.#layout);
    this.#clock = clock;
    this.#links = new Links({
      bucket: this.#bucket,
      publicEndpoint: options.publicEndpoint,
      server: options,
    });
    this.#share = {
      bucket: this.#bucket,
      sending: new Slots(partsAtOnce),
      large: 0,
      mostLarge: mostLargeWriters,
    };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- refusals are rejections
  async create({ mediaType }: { mediaType: string }): Promise<BlobWriter> {
    checkMediaType(mediaType);
    const id = this.#clock.id();
    const writer: BlobWriter = new S3BlobWriter({
      id,
      mediaType,
      keys: this.#layout.keys(id),
      share: this.#share,
      ended: () => this.#writers.delete(writer),
    });
    this.#writers.add(writer);
    return writer;
  }

  async stat({ id }: { id: string }): Promise<BlobInfo | undefined> {
    const record = (await this.#find(id))?.record;
    if (record === undefined || record.deletion !== undefined) return undefined;
    const info = infoOf(id, record);
    this.#remember(info);
    return info;
  }

  async readInto(params: { id: string; offset: number; target: Uint8Array }): Promise<void> {
    const { id, offset, target } = params;
    checkRange(await this.#info(id), offset, offset + target.length);
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < target.length) {
        const at = next;
        next += pieceSize;
        await this.#fill(id, offset + at, target.subarray(at, at + pieceSize));
      }
    };
    await Promise.all(Array.from({ length: Math.min(lanes, Math.ceil(target.length / pieceSize)) }, lane));
  }

  async *read(params: { id: string; start?: number; end?: number }): AsyncGenerator<Uint8Array> {
    const { id } = params;
    const info = await this.#info(id);
    const { start = 0, end = info.size } = params;
    checkRange(info, start, end);
    const fetch = async (at: number): Promise<Uint8Array> => {
      const chunk = Buffer.allocUnsafeSlow(Math.min(chunkSize, end - at));
      await this.#fill(id, at, chunk);
      return chunk;
    };
    let coming = start < end ? fetch(start) : undefined;
    for (let at = start + chunkSize; coming !== undefined; at += chunkSize) {
      const chunk: Uint8Array = await coming;
      coming = at < end ? fetch(at) : undefined;
      coming?.catch(() => undefined); // thrown when its turn comes, if it comes
      yield chunk;
    }
  }

  async list({ after = '', limit }: { after?: string; limit: number }): Promise<readonly string[]> {
    const ids: string[] = [];
    for await (const { id, record } of holdings(this.#bucket, this.#layout.blobs, after)) {
      if (ids.length >= limit) break;
      if (record) ids.push(id);
    }
    return ids;
  }

  async usage(): Promise<number> {
    let bytes = 0;
    for await (const { size } of holdings(this.#bucket, this.#layout.blobs, '')) bytes += size;
    return bytes;
  }

  async keep({ id, forMs }: { id: string; forMs: number }): Promise<boolean> {
    const keptUntil = this.#clock.now() + forMs;
    for (let turn = 0; turn < mostTurns; turn++) {
      const found = await this.#find(id);
      if (found?.record === undefined || found.record.deletion !== undefined) return false;
      if ((found.record.keptUntil ?? -Infinity) >= keptUntil) return true;
      if (await this.#replace(id, { ...found.record, keptUntil }, found.etag)) return true;
    }
    throw tooManyTurns(id);
  }

  /** A deletion that a process has begun before it died is finished by the next one of that blob. */
  async delete({ id, unlessKept = false }: { id: string; unlessKept?: boolean }): Promise<boolean> {
    const deletion = this.#clock.token();
    for (let turn = 0; turn < mostTurns; turn++) {
      const found = await this.#find(id);
      if (found === undefined) return false;
      const record = found.record ?? { size: 0, digest: '', mediaType: '' };
      if (record.deletion === undefined) {
        if (unlessKept && (record.keptUntil ?? -Infinity) > this.#clock.now()) return false;
        // A try whose answer was lost is found in the next turn, by its token.
        if (!(await this.#replace(id, { ...record, deletion }, found.etag))) continue;
      }
      this.#known.delete(id);
      const { data, record: recordKey } = this.#layout.keys(id);
      await Promise.all([this.#bucket.remove(data), this.#bucket.remove(recordKey)]);
      return record.deletion === undefined || record.deletion === deletion;
    }
    throw tooManyTurns(id);
  }

  clear(of: { writer: string } | { begunBefore: number }): Promise<void> {
    return 'writer' in of ? this.#clearing.ofWriter(of.writer) : this.#clearing.begunBefore(of.begunBefore);
  }

  async link({ id, forMs }: { id: string; forMs: number }): Promise<string> {
    const info = await this.stat({ id });
    if (info === undefined) throw noSuchBlob(id);
    return this.#links.read({ key: this.#layout.keys(id).data, mediaType: info.mediaType, forMs });
  }

  async createLink(params: {
    mediaType: string;
    size: number;
    digest: string;
    forMs: number;
  }): Promise<UploadLink> {
    const { mediaType, size, digest, forMs } = params;
    checkMediaType(mediaType);
    const id = this.#clock.id();
    await this.#bucket.put({
      key: this.#layout.linkNote(id),
      body: writeRecord({ size, digest, mediaType }),
    });
    return {
      id,
      ...(await this.#links.write({ key: this.#layout.keys(id).data, mediaType, size, digest, forMs })),
    };
  }

  async commitLink({ id }: { id: string }): Promise<BlobInfo> {
    if (!blobIdShape.test(id)) throw noSuchBlob(id);
    const note = await this.#bucket.get(this.#layout.linkNote(id));
    const promised = note && readRecord(note.bytes);
    if (promised === undefined) {
      const info = await this.stat({ id });
      if (info === undefined) throw noSuchBlob(id);
      return info;
    }
    const { data, record } = this.#layout.keys(id);
    const arrived = await this.#bucket.head(data);
    if (arrived === undefined) {
      throw new DrayError('upload-incomplete', `nothing has been sent to the link of blob ${id} yet`);
    }
    if (arrived.size !== promised.size || arrived.digest !== promised.digest) {
      throw new DrayError(
        'upload-incomplete',
        `${arrived.size} bytes with the SHA-256 ${arrived.digest ?? 'unknown'} were sent to the link of blob ${id}, ` +
          `not ${promised.size} with ${promised.digest}`,
      );
    }
    await this.#bucket.put({
      key: record,
      body: writeRecord(promised),
      contentType: 'application/json',
      onlyIf: 'absent',
    });
    await this.#bucket.remove(this.#layout.linkNote(id)).catch(() => undefined); // goes when what is old is cleared
    return infoOf(id, promised);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#writers].map((writer) => writer.abort()));
    this.#links.close();
    this.#bucket.close();
  }

  /** The record as it is now; without `record` where it is damaged. */
  async #find(id: string): Promise<{ etag: string; record?: BlobRecord } | undefined> {
    if (!blobIdShape.test(id)) return undefined;
    const found = await this.#bucket.get(this.#layout.keys(id).record);
    const record = found && readRecord(found.bytes);
    return found && { etag: found.etag, ...(record && { record }) };
  }

  /** @returns false where the record is another one by now, or gone. */
  #replace(id: string, record: BlobRecord, etag: string): Promise<boolean> {
    return this.#bucket.put({
      key: this.#layout.keys(id).record,
      body: writeRecord(record),
      contentType: 'application/json',
      onlyIf: { etag },
    });
  }

  async #info(id: string): Promise<BlobInfo> {
    const info = this.#known.get(id) ?? (await this.stat({ id }));
    if (info === undefined) throw noSuchBlob(id);
    return info;
  }

  #remember(info: BlobInfo): void {
    this.#known.set(info.id, info);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= knownBlobs) break;
      this.#known.delete(oldest);
    }
  }

  /** The range lies inside of what the record says. */
  async #fill(id: string, offset: number, target: Uint8Array): Promise<void> {
    const key = this.#layout.keys(id).data;
    const found = await this.#bucket.readInto({ key, offset, target }).catch((error: unknown) => {
      if (!(error instanceof RangeError)) throw error;
      throw new DrayError('blob-not-found', `Blob ${id} is damaged: it is shorter than its record says.`);
    });
    if (found) return;
    this.#known.delete(id);
    throw noSuchBlob(id);
  }
}

function tooManyTurns(id: string): DrayError {
  return new DrayError(
    'unavailable',
    `The record of blob ${id} could not be changed: others always were faster.`,
  );
}
