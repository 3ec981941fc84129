/** The claim check: JSON up to the inline limit travels in the job's record, larger JSON as a blob. */
import type { BlobStore } from './blob-store.js';
import { DrayError } from '../jobs/errors.js';
import { limits } from '../jobs/limits.js';
import type { Payload } from '../jobs/payload.js';

/** @throws DrayError `limit-exceeded` above `limits.jsonPayload`. */
export async function storePayload(blobs: BlobStore, value: unknown, field: string): Promise<Payload> {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined || text.length <= limits.inlinePayload / 3) return { inline: value ?? null };
  const bytes = Buffer.from(text);
  if (bytes.length <= limits.inlinePayload) return { inline: value };
  if (bytes.length > limits.jsonPayload) {
    throw new DrayError(
      'limit-exceeded',
      `${field} is ${bytes.length} bytes as JSON; at most ${limits.jsonPayload} are taken. Store large data as a blob and name the blob.`,
      { field },
    );
  }
  const writer = await blobs.create({ mediaType: 'application/json' });
  try {
    await writer.write(bytes);
    return { blob: (await writer.commit()).id };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

export async function loadPayload(blobs: BlobStore, payload: Payload): Promise<unknown> {
  if ('inline' in payload) return payload.inline;
  const info = await blobs.stat({ id: payload.blob });
  if (!info) throw new DrayError('blob-not-found', `blob ${payload.blob} is gone`);
  const bytes = Buffer.allocUnsafe(info.size);
  await blobs.readInto({ id: payload.blob, offset: 0, target: bytes });
  return JSON.parse(bytes.toString('utf8')) as unknown;
}
