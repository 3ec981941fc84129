import { MemoryBlobs } from '../../src/testing/memory-blobs.js';
import { blobStoreConformance } from './blob-store.js';

blobStoreConformance('memory', () => {
  const store = new MemoryBlobs();
  return Promise.resolve({ store, cleanup: () => store.close() });
});
