/** What a job takes and gives, and the blobs that it uses by it. */
import { DrayError } from './errors.js';
import { limits } from './limits.js';

/** A JSON value up to `limits.inlinePayload` in the job's record itself, a larger one by the blob that holds it. */
export type Payload = { readonly inline: unknown } | { readonly blob: string };

const blobId = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/**
 * The blobs that a value names, each once. An object names a blob by
 * its member `blob`, at any depth; what has not the form of an id is data like any other.
 *
 * @throws DrayError `limit-exceeded` where it names more than `limits.blobs`.
 */
export function blobsOf(value: unknown, field: string): readonly string[] {
  const found = new Set<string>();
  collect(value, found);
  if (found.size > limits.blobs) {
    throw new DrayError(
      'limit-exceeded',
      `${field} names ${found.size} blobs; at most ${limits.blobs} are taken`,
      { field },
    );
  }
  return [...found];
}

function collect(value: unknown, found: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found);
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    if (name !== 'blob' || typeof member !== 'string') collect(member, found);
    else if (blobId.test(member)) found.add(member);
  }
}
