/** Retention by the options, on whatever the blobs are on. */
import { statfs } from 'node:fs/promises';
import type { BlobStore } from '../blobs/blob-store.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config/options.js';
import { Retention, type Disk } from '../control/retention.js';
import type { Engine } from '../engine/engine.js';
import type { TaskLog } from '../tasks/task.js';

/** @param folder on the disk of the blobs; undefined where they are on none of this machine. */
export function diskOf(blobs: Pick<BlobStore, 'usage'>, folder: string | undefined): Disk {
  return {
    space: () => (folder === undefined ? Promise.resolve(roomy) : spaceOf(folder)),
    blobBytes: () => blobs.usage(),
  };
}

/** Of a bucket nobody says how much fits in: then only age and number decide. */
const roomy = { free: Number.MAX_SAFE_INTEGER, used: 0 };

/** Of the disk that a folder is on, in bytes: what this user may still write, and what is taken. */
async function spaceOf(folder: string): Promise<{ free: number; used: number }> {
  const { bsize, blocks, bfree, bavail } = await statfs(folder);
  return { free: bavail * bsize, used: (blocks - bfree) * bsize };
}

export function createRetention(params: {
  engine: Engine;
  blobs: BlobStore;
  disk: Disk;
  clock: Clock;
  log: TaskLog;
  config: Config;
}): Retention {
  const { config, ...rest } = params;
  return new Retention({
    ...rest,
    policy: {
      keepForMs: 1_000 * config.keepFor,
      keepJobs: config.keepJobs,
      diskShare: config.diskShare,
      keepUploadsMs: 1_000 * config.keepUploads,
    },
  });
}
