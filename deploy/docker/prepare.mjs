/**
 * What must be there before the first start: the bucket of DRAY_BLOBS, and, where DRAY_API_KEY is given, that API key in
 * the file DRAY_KEYS, of which the hash alone is kept. Run again it changes nothing; a key that was replaced in .env is
 * added, and the old one stays until `dray keys revoke`. An S3 server that is not there yet is waited for.
 */
import { systemClock } from '../../dist/clock.js';
import { hashOf, idOf } from '../../dist/keys/key.js';
import { changeKeys } from '../../dist/keys/key-file.js';
import { createBucket } from '../../scripts/services/bucket.mjs';

const { DRAY_API_KEY, DRAY_BLOBS, DRAY_KEYS, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
/** As long as a first image takes to be pulled; whoever started this starts it again. */
const patienceMs = 300_000;
const againMs = 1_000;

const blobs = new URL(DRAY_BLOBS);
if (blobs.protocol === 's3:') {
  await untilMade({
    endpoint: blobs.searchParams.get('endpoint'),
    region: blobs.searchParams.get('region') ?? undefined,
    bucket: blobs.host,
    accessKey: AWS_ACCESS_KEY_ID,
    secretKey: AWS_SECRET_ACCESS_KEY,
  });
  console.log(`the bucket ${blobs.host} is there`);
}

if (DRAY_API_KEY !== undefined) {
  const id = idOf(DRAY_API_KEY);
  if (!id) throw new Error('DRAY_API_KEY is no key of the form that scripts/compose-env.mjs makes');
  const hash = hashOf(DRAY_API_KEY).toString('hex');
  await changeKeys(DRAY_KEYS, systemClock, (keys) =>
    keys.some((key) => key.id === id)
      ? keys
      : [...keys, { id, name: 'compose', scope: 'admin', hash, createdAt: new Date().toISOString() }],
  );
  console.log(`the API key ${id} is there`);
}

async function untilMade(bucket) {
  const end = performance.now() + patienceMs;
  for (let told; ;) {
    try {
      return await createBucket(bucket);
    } catch (error) {
      if (performance.now() > end) throw error;
      const why = error.cause?.message ?? error.message;
      if (why !== told) console.error(`still trying: ${why}`);
      told = why;
      await new Promise((resolve) => setTimeout(resolve, againMs));
    }
  }
}
