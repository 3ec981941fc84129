/** Makes a bucket on any S3 server, by the one signed request that this takes. Needs no package. */
import { createHash, createHmac } from 'node:crypto';

/**
 * Does nothing where the bucket is there and ours.
 * @param {{ endpoint: string, bucket: string, accessKey: string, secretKey: string, region?: string }} options
 * @throws Error with the server's answer
 */
export async function createBucket({ endpoint, bucket, accessKey, secretKey, region = 'us-east-1' }) {
  const url = new URL(`/${bucket}`, endpoint);
  const response = await fetch(url, {
    method: 'PUT',
    headers: signature({ url, accessKey, secretKey, region }),
    signal: AbortSignal.timeout(30_000),
  });
  const answer = await response.text();
  if (response.ok || answer.includes('BucketAlreadyOwnedByYou')) return;
  throw new Error(`bucket ${bucket} could not be made at ${url.host}: ${response.status} ${answer}`);
}

/** AWS Signature Version 4 of a PUT without a body and without a query. */
function signature({ url, accessKey, secretKey, region }) {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
  const headers = { host: url.host, 'x-amz-content-sha256': sha256(''), 'x-amz-date': time };
  const names = Object.keys(headers).join(';');
  const head = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const request = ['PUT', url.pathname, '', head.join(''), names, headers['x-amz-content-sha256']].join('\n');
  const scope = [time.slice(0, 8), region, 's3', 'aws4_request'];
  const text = ['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(request)].join('\n');
  const key = scope.reduce(hmac, `AWS4${secretKey}`);
  const proof = createHmac('sha256', key).update(text).digest('hex');
  return {
    'x-amz-content-sha256': headers['x-amz-content-sha256'],
    'x-amz-date': time,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope.join('/')}, SignedHeaders=${names}, Signature=${proof}`,
  };
}
