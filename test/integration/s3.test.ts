/** A deployment whose blobs are in a bucket: data moves straight to and from it, and matrices are read where they lie. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bucket } from '../../src/blobs/s3/bucket.js';
import { DrayClient } from '../../src/client/index.js';
import { systemClock as clock } from '../../src/clock.js';
import type * as distributed from '../../src/compose/distributed.js';
import { readDeploymentConfig } from '../../src/config/read-config.js';
import { clientFailure } from '../support/client-failure.js';
import { npy, readNpy } from '../support/npy.js';
import { startServer } from '../support/server.js';
import { rabbitVhost, redisDatabase, s3Bucket } from '../support/services.js';

const [queue, state, given] = await Promise.all([rabbitVhost(), redisDatabase(), s3Bucket()]);
Object.assign(process.env, given?.env);
const complete = queue !== undefined && state !== undefined && given !== undefined;

describe.skipIf(!complete)('a deployment on a bucket', () => {
  const running: { stop(options?: { graceMs?: number }): Promise<void> }[] = [];
  let folder: string;
  let bucket: Bucket;
  let url: string;
  let client: DrayClient;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-s3-'));
    bucket = new Bucket({ name: given!.bucket, server: given!, clock, patienceMs: 5_000 });
    const built = new URL('../../dist/compose/distributed.js', import.meta.url).href;
    const { startApart } = (await import(built)) as typeof distributed;
    const options = {
      queue: queue!.url,
      state: state!.url,
      blobs: given!.url.replace('?', '/blobs-of-dray?'),
      allowBuckets: `${given!.bucket}/in,no-such-bucket`,
      port: '0',
      data: folder,
      slotsPerWorker: '1',
      logLevel: 'error',
    };
    for (const mode of ['api', 'worker', 'controller'] as const) {
      const server = await startApart(mode, readDeploymentConfig(mode, options, {}));
      running.push(server);
      if (mode === 'api') url = server.url;
    }
    client = new DrayClient({ baseUrl: url });
  });

  afterAll(async () => {
    for (const one of running.reverse()) await one.stop({ graceMs: 0 });
    bucket.close();
    await rm(folder, { recursive: true });
  });

  const numbers = (rows: number, cols: number): Float64Array =>
    Float64Array.from({ length: rows * cols }, (_, index) => (index % 17) - 8);
  const store = (key: string, body: Uint8Array) => bucket.put({ key, body });
  const byUrl = (key: string) => ({ url: `s3://${given!.bucket}/${key}` });
  /** n × n ones; as a second factor it gives the sums of the first one's rows. */
  const ones = (n: number) => Array.from({ length: n }, () => Array.from({ length: n }, () => 1));

  it('moves a matrix straight to the bucket, and its product straight from there', async () => {
    const [rows, cols] = [500, 400];
    const values = numbers(rows, cols);
    const file = join(folder, 'x.npy');
    await writeFile(file, npy(rows, cols, values));
    const blob = await client.uploadDirect({ path: file }, { mediaType: 'application/x-npy' });
    expect(blob).toMatchObject({ size: (await readFile(file)).length, mediaType: 'application/x-npy' });
    const job = await client.submitAndWait({
      type: 'matmul',
      input: { a: { blob: blob.id }, b: { random: { rows: cols, cols: 300, seed: 1 } } },
    });
    const { blob: product, check } = job.result as { blob: string; check: { status: string } };
    expect(check.status).toBe('passed');
    const link = await client.downloadLink(product);
    expect(link.url.startsWith(given!.endpoint)).toBe(true);
    const straight = Buffer.from(await (await fetch(link.url)).arrayBuffer());
    const throughApi = Buffer.from(await (await fetch(`${url}/v1/jobs/${job.id}/result`)).arrayBuffer());
    expect(straight.equals(throughApi)).toBe(true);
    expect(readNpy(straight)).toMatchObject({ rows, cols: 300 });
  });

  it('takes exactly the bytes for which a link was asked', async () => {
    const bytes = Buffer.from('these');
    const body = { size: 5, digest: createHash('sha256').update(bytes).digest('hex') };
    const ask = await fetch(`${url}/v1/blobs/links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(ask.status).toBe(201);
    const link = (await ask.json()) as { id: string; url: string; headers: Record<string, string> };
    const commit = async () => {
      const response = await fetch(`${url}/v1/blobs/links/${link.id}/commit`, { method: 'POST' });
      return { status: response.status, ...((await response.json()) as { code?: string; size?: number }) };
    };
    const send = (text: string) => fetch(link.url, { method: 'PUT', headers: link.headers, body: text });
    expect(await commit()).toMatchObject({ status: 400, code: 'upload-incomplete' });
    expect((await send('those')).status).toBeGreaterThanOrEqual(400);
    expect(await commit()).toMatchObject({ status: 400, code: 'upload-incomplete' });
    expect((await send('these')).status).toBe(200);
    expect(await commit()).toMatchObject({ status: 200, size: 5 });
    expect(await commit()).toMatchObject({ status: 200, size: 5 });
    expect(await (await fetch(`${url}/v1/blobs/${link.id}`)).text()).toBe('these');
  });

  it.each([
    [{ size: -1, digest: 'a'.repeat(64) }, 'size'],
    [{ size: 6e9, digest: 'a'.repeat(64) }, 'size'],
    [{ size: 1, digest: 'A'.repeat(64) }, 'digest'],
    [{ size: 1 }, 'body'],
    [{ size: 1, digest: 'a'.repeat(64), mediaType: 'text/é' }, 'mediaType'],
  ])('refuses to give a link for %j', async (body, field) => {
    const response = await fetch(`${url}/v1/blobs/links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect([response.status, await response.json()]).toMatchObject([400, { code: 'invalid-request', field }]);
  });

  it('multiplies matrices where they lie, in any element type and order', async () => {
    const values = Int32Array.from(numbers(30, 20));
    await store('in/a.npy', npy(30, 20, values, { descr: '<i4', fortran: true }));
    const { result } = await client.submitAndWait({
      type: 'matmul',
      input: { a: byUrl('in/a.npy'), b: ones(20) },
    });
    const sums = Array.from({ length: 30 }, (_, row) =>
      Array.from({ length: 20 }, (_, col) => values[col * 30 + row]!).reduce((sum, x) => sum + x, 0),
    );
    expect((result as { product: number[][] }).product.map((row) => row[0])).toEqual(sums);
  });

  it.each([
    ['that is not there', 'in/nothing.npy', 'unreadable-url', /does not exist/],
    ['that is no .npy file', 'in/text', 'invalid-npy', /does not start as/],
    ['that is shorter than its header says', 'in/short.npy', 'invalid-npy', /the file has/],
    ['that lies beside what is allowed', 'inside.npy', 'unsupported-source', /in none of the buckets/],
    ['that is named by a way around', 'in/../inside.npy', 'unsupported-source', /part \. or \.\./],
    ['whose shape does not fit', 'in/wide.npy', 'shape-mismatch', /has 3 columns/],
  ])('refuses an object %s before anything is queued', async (_, key, code, message) => {
    await store('in/text', Buffer.from('no matrix at all, but some text'));
    await store('in/short.npy', npy(3, 3, numbers(2, 3)));
    await store('in/wide.npy', npy(2, 3, numbers(2, 3)));
    await store('inside.npy', npy(2, 2, numbers(2, 2)));
    const refusal = await clientFailure(
      client.submit({ type: 'matmul', input: { a: byUrl(key), b: ones(2) } }),
    );
    expect(refusal).toMatchObject({ code, status: 400 });
    expect(refusal.message).toMatch(message);
  });

  it.each([
    ['of another kind', 'http://host/x.npy'],
    ['without a bucket', 's3://'],
    ['without a key', 's3://bucket'],
    ['of a bucket that does not exist', 's3://no-such-bucket/x.npy'],
    ['that is too long', `s3://bucket/${'x'.repeat(2_000)}`],
  ])('refuses a url %s', async (_, wrong) => {
    const job = { type: 'matmul', input: { a: { url: wrong }, b: ones(2) } } as const;
    expect((await clientFailure(client.submit(job))).status).toBe(400);
  });

  it('fails a job for good whose object has changed since it was submitted', async () => {
    await store('in/changing.npy', npy(2, 2, numbers(2, 2)));
    await client.pause('matmul');
    const job = await client.submit({ type: 'matmul', input: { a: byUrl('in/changing.npy'), b: ones(2) } });
    await store('in/changing.npy', npy(2, 2, Float64Array.of(1, 2, 3, 4)));
    await client.resume('matmul');
    const ended = await client.wait(job.id);
    expect(ended).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'unreadable-url' } });
  });

  it('hands no credentials to executors in their arguments', async () => {
    const workers = await client.workers();
    const pids = workers.flatMap(({ executors }) => executors).map(({ pid }) => pid);
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8');
      expect(line).not.toContain(given!.secretKey);
    }
  });
});

it('a server whose blobs are files says that it has no links', async () => {
  const server = await startServer();
  try {
    const client = new DrayClient({ baseUrl: server.url });
    const { id } = await client.upload(Buffer.from('x'));
    for (const ask of [() => client.uploadDirect(Buffer.from('x')), () => client.downloadLink(id)]) {
      expect(await clientFailure(ask())).toMatchObject({ code: 'no-links', status: 400 });
    }
    const nothing = client.downloadLink('0190a0a0-0000-7000-8000-000000000000');
    expect(await clientFailure(nothing)).toMatchObject({ code: 'blob-not-found', status: 404 });
  } finally {
    await server.stop();
  }
});
