import { describe } from 'vitest';
import { openS3Blobs } from '../../src/blobs/s3.js';
import { systemClock } from '../../src/clock.js';
import { s3Bucket } from '../support/services.js';
import { blobStoreConformance } from './blob-store.js';

const bucket = await s3Bucket();
Object.assign(process.env, bucket?.env);

describe.skipIf(bucket === undefined)('against a real server', () => {
  let stores = 0;
  blobStoreConformance('a bucket', () => {
    const place = { bucket: bucket!.bucket, endpoint: bucket!.endpoint, prefix: `store-${++stores}/` };
    const store = openS3Blobs({ ...place, clock: systemClock });
    return Promise.resolve({ store, cleanup: () => store.close() });
  });
});
