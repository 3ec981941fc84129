/** The client for programs against a real server. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { DrayClient, type BuiltInTasks } from '../../src/client/index.js';
import type { JobEvent } from '../../src/contract/event.js';
import type { MatmulInput, MatmulOutput } from '../../src/tasks/matmul/input.js';
import { clientFailure } from '../support/client-failure.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let client: DrayClient;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-client-'));
  server = await startServer();
  client = new DrayClient({ baseUrl: server.url });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const a = [[1, 2], [3, 4]]; // prettier-ignore
const identity = [[1, 0], [0, 1]]; // prettier-ignore

describe('the client', () => {
  it('knows what each task takes and gives', () => {
    expectTypeOf<BuiltInTasks['matmul']>().toEqualTypeOf<{
      readonly input: MatmulInput;
      readonly output: MatmulOutput;
    }>();
    // @ts-expect-error there is no such job type
    const unknownType = () => client.submit({ type: 'no-such-type', input: 1 });
    // @ts-expect-error the input of matmul is missing
    const noInput = () => client.submit({ type: 'matmul' });
    // @ts-expect-error the input of sleep is another one
    const otherInput = () => client.submitAndWait({ type: 'sleep', input: { hours: 1 } });
    expect([unknownType, noInput, otherInput]).toHaveLength(3);
  });

  it('submits a job, waits for it, and gives its typed result', async () => {
    const job = await client.submitAndWait({ type: 'matmul', input: { a, b: identity } });
    expectTypeOf(job.result).toEqualTypeOf<MatmulOutput | undefined>();
    expect(job).toMatchObject({ status: 'completed', result: { rows: 2, product: a } });
    expect(await client.result(job.id)).toEqual(a);
    expect(await client.get(job.id)).toEqual(job);
  });

  it('rejects with the job where it failed', async () => {
    const error = await clientFailure(
      client.submitAndWait({ type: 'sleep', input: { seconds: 0, failWith: 'permanent' } }),
    );
    expect(error).toMatchObject({ kind: 'job', code: 'task-refused', job: { status: 'failed' } });
    expect(error.message).toContain('attempt 1 failed as told');
    expect((await client.wait(error.job!.id)).status).toBe('failed');
    expect((await client.redrive(error.job!.id)).id).toBe(error.job!.id);
  });

  it('tells what the server refuses, with the field to blame', async () => {
    const error = await clientFailure(client.submit({ type: 'matmul', input: { a, b: [[1]] } }));
    expect(error).toMatchObject({ kind: 'problem', code: 'shape-mismatch', status: 400 });
    expect(error.next).toContain('as many columns');
  });

  it('gives the same job under the same key', async () => {
    const same = { idempotencyKey: 'client-1' };
    const first = await client.submit({ type: 'echo', input: 'x' }, same);
    expect((await client.submit({ type: 'echo', input: 'x' }, same)).id).toBe(first.id);
    expect((await clientFailure(client.submit({ type: 'echo', input: 'y' }, same))).code).toBe(
      'idempotency-conflict',
    );
    expect((await client.submit({ type: 'echo', input: 'x' })).id).not.toBe(first.id);
  });

  it('submits batches, and lists all of them over many pages', async () => {
    const labels = { test: 'pages' };
    const jobs = Array.from({ length: 450 }, (_, input) => ({ type: 'echo' as const, input, labels }));
    const accepted = await client.submitBatch(jobs);
    const listed = await collect(client.list({ label: 'test=pages' }));
    expect(listed.map(({ id }) => id)).toEqual(accepted.map(({ id }) => id).reverse());
    for await (const job of client.list({ label: 'test=pages', type: 'echo' })) {
      expect(job.input).toBe(449);
      break;
    }
  });

  it('moves blobs up from bytes, streams and files, and down in ranges', async () => {
    const path = join(folder, 'data.bin');
    await writeFile(path, 'abcdef');
    const stream = async function* () {
      yield await Promise.resolve(Buffer.from('abc'));
      yield Buffer.from('def');
    };
    const mediaType = 'application/x-npy';
    for (const data of [Buffer.from('abcdef'), stream(), { path }]) {
      const blob = await client.upload(data, { mediaType });
      expect(blob).toMatchObject({ size: 6, mediaType });
      const whole = await client.download(blob.id);
      expect(whole).toMatchObject({ length: 6, mediaType });
      expect((await buffer(whole.chunks)).toString()).toBe('abcdef');
      const part = await client.download(blob.id, { range: { start: 1, end: 3 } });
      expect((await buffer(part.chunks)).toString()).toBe('bc');
      const rest = await client.download(blob.id, { range: { start: 4 } });
      expect((await buffer(rest.chunks)).toString()).toBe('ef');
      await client.deleteBlob(blob.id);
      expect((await clientFailure(client.download(blob.id))).code).toBe('blob-not-found');
    }
  });

  it('saves a result as the file that the task prefers, in whole or in part', async () => {
    const random = (seed: number) => ({ random: { rows: 64, cols: 64, seed } });
    const { id } = await client.submitAndWait({ type: 'matmul', input: { a: random(1), b: random(2) } });
    const path = join(folder, 'c.npy');
    const saved = await client.saveResult(id, { path });
    expect(saved.mediaType).toBe('application/x-npy');
    const file = await readFile(path);
    expect(file.length).toBe(saved.bytes);
    const { chunks } = await client.resultStream(id, { range: { start: 100, end: 300 } });
    expect((await buffer(chunks)).equals(file.subarray(100, 300))).toBe(true);
  });

  it('takes the files of a job along in its one request', async () => {
    const { id } = await client.submitAndWait({ type: 'matmul', input: { a, b: identity } });
    const path = join(folder, 'a.npy');
    await client.saveResult(id, { path, accept: 'application/x-npy' });
    const files = ['a', 'b'].map((field) => ({ field, path, contentType: 'application/x-npy' }));
    const job = await client.submitFiles({ job: { type: 'matmul', input: { verify: false } }, files });
    await client.wait(job.id);
    expect(await client.result(job.id)).toEqual([[7, 10], [15, 22]]); // prettier-ignore
  });

  it('follows a job to its end, and all jobs until it is left', async () => {
    const job = await client.submit({ type: 'sleep', input: { seconds: 0.3 } });
    const events = await collect(client.events(job.id));
    expect(events.at(-1)).toMatchObject({ id: job.id, status: 'completed' });
    expect(events.map(({ version }) => version)).toEqual(
      events.map(({ version }) => version).sort((x, y) => x - y),
    );
    const all = client.events(undefined, { type: 'echo', status: 'completed' });
    const first = all.next();
    let seen: JobEvent | undefined;
    // The stream listens from some moment on: jobs are submitted until one is seen.
    void first.then(({ value }) => (seen = value as JobEvent));
    while (!seen) await client.submitAndWait({ type: 'echo', input: null });
    expect(seen).toMatchObject({ type: 'echo', status: 'completed' });
    await all.return();
  });

  it('explains, pauses, resumes, cancels and re-drives by filter, and tells who works', async () => {
    expect((await client.pause('start-end')).paused).toBe(true);
    const input = { start: 'a', end: 'b' };
    const { id } = await client.submit({ type: 'start-end', input });
    expect((await client.explain(id)).reasons[0]).toMatchObject({ code: 'paused' });
    expect((await client.queues()).find(({ type }) => type === 'start-end')).toMatchObject({ paused: true });
    expect((await client.cancel(id)).status).toBe('cancelled');
    await client.submit({ type: 'start-end', input });
    expect(await client.cancelAll({ type: 'start-end' })).toBe(1);
    expect((await client.resume('start-end')).paused).toBe(false);
    expect(await client.redriveAll({ type: 'start-end' })).toEqual({ changed: 0, more: false });
    expect((await client.workers())[0]!.types).toContain('matmul');
    expect(await client.scale()).toHaveProperty('desired_worker_scale');
  });

  it('stops waiting when told to, and the job goes on', async () => {
    const job = await client.submit({ type: 'sleep', input: { seconds: 60 } });
    const stop = new AbortController();
    const waiting = client.wait(job.id, { signal: stop.signal });
    const following = collect(client.events(job.id, { signal: stop.signal }));
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(following).rejects.toThrow('enough');
    expect((await client.cancel(job.id)).status).toBe('cancelled');
  });
});

describe('a server that is killed and started again', () => {
  it('is waited for: one job, submitted once, followed and read to its end', async () => {
    const port = 20_000 + (process.pid % 10_000);
    const data = join(folder, 'restarted');
    const args = ['--port', String(port)];
    let restarted = await startServer({ data, args });
    try {
      const patient = new DrayClient({ baseUrl: restarted.url, patienceMs: 60_000 });
      const job = await patient.submit({ type: 'sleep', input: { seconds: 2 } });
      const following = collect(patient.events(job.id, { patienceMs: 60_000 }));
      const waiting = patient.wait(job.id, { patienceMs: 60_000 });
      await restarted.kill();
      const meanwhile = patient.submit({ type: 'echo', input: 'sent while it was away' });
      restarted = await startServer({ data, args });
      expect((await meanwhile).type).toBe('echo');
      expect((await waiting).status).toBe('completed');
      expect((await following).at(-1)).toMatchObject({ status: 'completed' });
      expect(await collect(patient.list())).toHaveLength(2);
    } finally {
      await restarted.stop();
    }
  });
});
