/**
 * What stands beside a blob's bytes, as a small object of its own. Writing it is the commit: bytes without it are no
 * blob. It is changed only where it still is as it was read, which makes a change atomic among all processes.
 */
import type { BlobInfo } from '../blob-store.js';

export interface BlobRecord {
  readonly size: number;
  readonly digest: string;
  readonly mediaType: string;
  /** Until then nobody removes it as unused, in ms since the epoch. */
  readonly keptUntil?: number;
  /** The token of the deletion that has begun: it is no blob any more, and its objects are about to go. */
  readonly deletion?: string;
}

export function writeRecord(record: BlobRecord): Buffer {
  return Buffer.from(JSON.stringify({ format: 1, ...record }));
}

/** Undefined where the bytes are no record of this format: the blob cannot be read, but listed and deleted. */
export function readRecord(bytes: Buffer): BlobRecord | undefined {
  let parsed: Partial<Record<keyof BlobRecord | 'format', unknown>> | null;
  try {
    parsed = JSON.parse(bytes.toString('utf8')) as typeof parsed;
  } catch {
    return undefined;
  }
  const { format, size, digest, mediaType, keptUntil, deletion } = parsed ?? {};
  if (format !== 1 || !Number.isSafeInteger(size)) return undefined;
  if (typeof digest !== 'string' || typeof mediaType !== 'string') return undefined;
  return {
    size: size as number,
    digest,
    mediaType,
    ...(typeof keptUntil === 'number' && { keptUntil }),
    ...(typeof deletion === 'string' && { deletion }),
  };
}

export function infoOf(id: string, { size, digest, mediaType }: BlobRecord): BlobInfo {
  return { id, size, digest, mediaType };
}
