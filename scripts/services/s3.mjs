/** An S3 server of one's own (MinIO): loopback only, all data in one folder. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createBucket } from './bucket.mjs';
import { MissingProgram, findProgram, freePort, ready, startProcess } from './process.mjs';
import { tools } from './tools.mjs';

/** @returns {string} its path @throws MissingProgram where this machine has none */
export function s3Program() {
  const program = findProgram('minio', [join(tools, 'minio')]);
  if (!program) throw new MissingProgram('minio', 'node scripts/setup.mjs --services');
  return program;
}

/**
 * Starts it on a new folder, or again on one that it had, after `stop()` or `kill()`, and makes the bucket.
 * @param {{ folder: string, port?: number, bucket?: string, accessKey?: string, secretKey?: string,
 *   detached?: (pid: number) => void }} options `folder` is made, and is the caller's to remove; `port` is a free one by default
 * @returns {Promise<{ url: string, endpoint: string, bucket: string, accessKey: string, secretKey: string,
 *   env: Record<string, string>, port: number, pid: number, addBucket(name: string): Promise<string>,
 *   stop(): Promise<void>, kill(): Promise<void> }>}
 *   `url` is what --blobs takes, `env` the credentials in the variables that S3's clients read; `addBucket` gives
 *   the URL of one more; `kill()` is kill -9
 */
export async function startS3({
  folder,
  port,
  bucket = 'dray',
  accessKey = 'dray',
  secretKey = 'dray-secret',
  detached,
}) {
  const command = s3Program();
  const home = resolve(folder);
  const data = join(home, 'data');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  port ??= await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = startProcess({
    name: 'minio',
    command,
    args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, data],
    env: {
      HOME: home,
      MINIO_ROOT_USER: accessKey,
      MINIO_ROOT_PASSWORD: secretKey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
    },
    cwd: home,
    log: join(home, 'log'),
    detached,
  });
  const credentials = { endpoint, accessKey, secretKey };
  const url = (name) => `s3://${name}?endpoint=${endpoint}`;
  try {
    await ready(server, () => healthy(endpoint));
    await createBucket({ ...credentials, bucket });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    url: url(bucket),
    ...credentials,
    bucket,
    env: { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey },
    port,
    pid: server.pid,
    async addBucket(name) {
      await createBucket({ ...credentials, bucket: name });
      return url(name);
    },
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}

/** True where the server at this address takes requests. */
export function healthy(endpoint) {
  return fetch(`${endpoint}/minio/health/cluster`, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );
}
