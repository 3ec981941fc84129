/**
 * What must be there before the first start: the bucket of DRAY_BLOBS, and in the file DRAY_KEYS the API key
 * DRAY_API_KEY, whose hash alone is kept. Run again it changes nothing; a key that was replaced in .env is added, and
 * the old one stays until `dray keys revoke`.
 */
import { systemClock } from '../../dist/clock.js';
import { hashOf, idOf } from '../../dist/keys/key.js';
import { changeKeys } from '../../dist/keys/key-file.js';
import { createBucket } from '../../scripts/services/bucket.mjs';

const { DRAY_API_KEY, DRAY_BLOBS, DRAY_KEYS, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;

const blobs = new URL(DRAY_BLOBS);
if (blobs.protocol === 's3:') {
  await createBucket({
    endpoint: blobs.searchParams.get('endpoint'),
    region: blobs.searchParams.get('region') ?? undefined,
    bucket: blobs.host,
    accessKey: AWS_ACCESS_KEY_ID,
    secretKey: AWS_SECRET_ACCESS_KEY,
  });
}

const id = idOf(DRAY_API_KEY ?? '');
if (!id) throw new Error('DRAY_API_KEY is no key of the form that scripts/compose-env.mjs makes');
const hash = hashOf(DRAY_API_KEY).toString('hex');
await changeKeys(DRAY_KEYS, systemClock, (keys) =>
  keys.some((key) => key.id === id)
    ? keys
    : [...keys, { id, name: 'compose', scope: 'admin', hash, createdAt: new Date().toISOString() }],
);
console.log(`the bucket ${blobs.host} and the API key ${id} are there`);
