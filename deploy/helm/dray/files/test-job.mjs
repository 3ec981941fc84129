// What `helm test` runs: a job through the whole of Dray. Its matrices are too large for a record, so that they, and the
// product, go by the S3 server.
import { DrayClient } from './dist/client/index.js';

const size = 128;
const row = (cell) => Array.from({ length: size }, (_, column) => cell(column));
const matrix = (cell) => Array.from({ length: size }, (_, index) => row((column) => cell(index, column)));
const a = matrix((i, j) => ((i * 31 + j * 17) % 201) - 100);
const b = matrix((i, j) => ((i * 13 + j * 29) % 199) - 99);
const product = matrix((i, j) => a[i].reduce((sum, value, k) => sum + value * b[k][j], 0));

const { DRAY_SERVER, DRAY_API_KEY, PATIENCE_SECONDS } = process.env;
const end = performance.now() + PATIENCE_SECONDS * 1_000;
const left = () => AbortSignal.timeout(Math.max(1, Math.round(end - performance.now())));
const client = new DrayClient({ baseUrl: DRAY_SERVER, apiKey: DRAY_API_KEY, patienceMs: 60_000 });
let job;
try {
  if (!DRAY_API_KEY)
    console.log('No key is given (apiKeys.existingSecret has none): this works where none is needed.');
  job = await client.submit({ type: 'matmul', input: { a, b } }, { signal: left() });
  console.log(`${DRAY_SERVER} has accepted the job ${job.id}.`);
  job = await client.wait(job.id, { signal: left() });
  if (job.status !== 'completed') throw new Error(`the job is ${job.status}: ${job.error?.message}`);
  const result = await client.result(job.id, { signal: left() });
  if (result.simulated) {
    console.log(
      'The work is simulated (SIMULATE_WORKLOAD_DURATION_IN_SEC), and there is no product: Dray works.',
    );
  } else if (JSON.stringify(result) !== JSON.stringify(product)) {
    throw new Error('the product is wrong');
  } else {
    console.log(`The product of two matrices of ${size} × ${size} is right: Dray works.`);
  }
} catch (error) {
  console.error(`Dray does not work: ${error.name === 'TimeoutError' ? await waitedFor() : error.message}`);
  if (error.next) console.error(error.next);
  process.exitCode = 1;
}

async function waitedFor() {
  if (!job) return `${DRAY_SERVER} has accepted no job within ${PATIENCE_SECONDS} s.`;
  const why = await client.explain(job.id, { signal: AbortSignal.timeout(10_000) }).catch((error) => error);
  return `the job ${job.id} has not ended within ${PATIENCE_SECONDS} s: ${why.reasons?.[0]?.message ?? why.message}`;
}
