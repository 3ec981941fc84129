import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFilesystemBlobs } from '../../src/blobs/filesystem.js';
import { systemClock } from '../../src/clock.js';
import { blobStoreConformance } from './blob-store.js';

blobStoreConformance('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dray-blobs-'));
  const store = await openFilesystemBlobs({ folder, clock: systemClock });
  return {
    store,
    cleanup: async () => {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
});
