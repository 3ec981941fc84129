/** The one way in which a process opens the blobs, wherever they are configured to lie. */
import type { BlobStore } from '../blobs/blob-store.js';
import { openFilesystemBlobs } from '../blobs/filesystem.js';
import type { Clock } from '../clock.js';
import type { BlobsPlace } from '../config/blobs-address.js';
import { environment } from '../config/environment.js';
import { DrayError } from '../jobs/errors.js';
import type { UrlObjects } from '../tasks/matmul/stored-bytes.js';

export interface OpenBlobsOptions {
  readonly clock: Clock;
  /** A name for this process, for `clear` when it has died. */
  readonly writer?: string;
  /** Only for the one process that owns the place, before any other has it open: what dead writers left is removed. */
  readonly owner?: boolean;
  /** How long a server that does not answer is asked again, in ms; for blobs that lie on one. */
  readonly patienceMs?: number;
}

/**
 * A bucket is not asked yet: `checkBlobs` does. Credentials come from the environment.
 * @throws DrayError `storage-full` for a folder.
 */
export async function openBlobs(place: BlobsPlace, options: OpenBlobsOptions): Promise<BlobStore> {
  if (place.kind === 's3') return (await s3()).openS3Blobs({ ...place, ...options });
  const { clock, writer, owner = false } = options;
  return openFilesystemBlobs({
    folder: place.folder,
    clock,
    cleanTemporary: owner,
    ...(writer !== undefined && { writer }),
  });
}

/**
 * Makes sure that a bucket can be used; a folder is by its opening.
 * @throws DrayError `invalid-request` that says what is wrong and what to do; `unavailable` where nobody answers.
 */
export async function checkBlobs(
  place: BlobsPlace,
  options: { clock: Clock; patienceMs?: number },
): Promise<void> {
  if (place.kind === 's3') await (await s3()).checkBucket({ ...place, ...options });
}

/**
 * What tasks read inputs by url from: the server on which the blobs lie, as far as the operator allows it.
 * @param options.allowed see --allow-buckets.
 * @returns undefined where the blobs lie on no such server.
 * @throws DrayError `invalid-request` where the option cannot be used.
 */
export async function openUrlObjects(
  place: BlobsPlace,
  options: { allowed: readonly string[]; clock: Clock },
): Promise<UrlObjects | undefined> {
  const refuse = (why: string): DrayError =>
    new DrayError('invalid-request', `--allow-buckets (DRAY_ALLOW_BUCKETS): ${why}`, {
      field: 'allowBuckets',
    });
  const wrong = options.allowed.find((entry) => !/^[a-z\d][a-z\d.-]{1,61}[a-z\d](\/.*)?$/.test(entry));
  if (wrong !== undefined) throw refuse(`"${wrong}" is neither a bucket nor bucket/prefix`);
  if (place.kind === 's3') return new (await s3Urls()).S3UrlObjects({ ...place, ...options });
  if (options.allowed.length === 0) return undefined;
  throw refuse('the buckets are those of the server of --blobs s3://…, and the blobs are in a folder');
}

/** Loads only where it is used: the library takes 0.15 s and 20 MB. */
function s3() {
  silenceVersions();
  return import('../blobs/s3.js');
}

function s3Urls() {
  silenceVersions();
  return import('../blobs/s3/url-objects.js');
}

/** The library's version is pinned: that later ones need a newer Node is no news for whoever runs this. */
export function silenceVersions(): void {
  environment['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
}
