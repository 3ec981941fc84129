/** What can happen to a running job, and what its record says afterwards. */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { act, ended, executorOf, read, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    args: ['--min-executors', '2', '--max-executors', '2', '--executor-memory', '512m'],
  });
});
afterAll(() => server.stop());

const quick = { baseMs: 10, capMs: 20 };
const running = (id: string) =>
  eventually(
    () => executorOf(server.url, id),
    (pid) => pid !== undefined,
  );

describe('a job', () => {
  it('goes the whole way from submission to result', async () => {
    const { id, status } = await submit(server.url, 'echo', { text: 'grüße', n: [1, 2.5, null] });
    expect(status).toBe('pending');
    const job = await ended(server.url, id);
    expect(job).toMatchObject({
      status: 'completed',
      attempt: 1,
      result: { text: 'grüße', n: [1, 2.5, null] },
    });
    expect(job.attempts).toHaveLength(1);
    expect(job.attempts[0]).toMatchObject({ attempt: 1, outcome: 'completed' });
    const result = await fetch(`${server.url}/v1/jobs/${id}/result`);
    expect(await result.json()).toEqual({ text: 'grüße', n: [1, 2.5, null] });
  });

  it('carries inputs and results above 32 KiB as blobs', async () => {
    const input = { text: 'ü'.repeat(40_000) };
    const job = await ended(server.url, (await submit(server.url, 'echo', input)).id);
    expect(job).toMatchObject({ status: 'completed', inputBlob: expect.any(String) as unknown });
    expect(job.result).toBeUndefined();
    expect(await (await fetch(`${server.url}/v1/jobs/${job.id}/result`)).json()).toEqual(input);
  });

  it('shows progress while it runs', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 30 });
    const job = await eventually(
      () => read(server.url, id),
      ({ progress }) => progress !== undefined,
    );
    expect(job.progress!.fraction).toBeGreaterThanOrEqual(0);
    await act(server.url, id, 'cancel');
  });

  it('that fails for a while is retried until it succeeds', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 0, failTimes: 2 }, { retry: quick });
    const job = await ended(server.url, id);
    expect(job).toMatchObject({ status: 'completed', attempt: 3 });
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'completed']);
    expect(job.error).toBeUndefined();
  });

  it('that fails for good is not retried', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 0, failTimes: 9, failWith: 'permanent' });
    const job = await ended(server.url, id);
    expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { permanent: true } });
    const result = await fetch(`${server.url}/v1/jobs/${id}/result`);
    expect(result.status).toBe(409);
    expect(await result.json()).toMatchObject({ code: 'result-not-ready' });
  });

  it('that crashes its executor every time ends as a dead letter and can be re-driven', async () => {
    const retry = { ...quick, attempts: 3 };
    const { id } = await submit(server.url, 'sleep', { seconds: 0, crashTimes: 4 }, { retry });
    const dead = await ended(server.url, id);
    expect(dead).toMatchObject({ status: 'failed', attempt: 3, error: { code: 'executor-crashed' } });
    expect(dead.error!.message).toContain('SIGKILL');
    expect(dead.attempts).toHaveLength(3);
    const { jobs } = (await (await fetch(`${server.url}/v1/jobs?status=failed&type=sleep`)).json()) as {
      jobs: { id: string }[];
    };
    expect(jobs.map((job) => job.id)).toContain(id);
    expect(await (await act(server.url, id, 'redrive')).json()).toMatchObject({ maxAttempts: 6 });
    expect(await ended(server.url, id)).toMatchObject({ status: 'completed', attempt: 5 });
  });

  it('whose executor is killed from outside runs again', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 1 }, { retry: quick });
    process.kill((await running(id))!, 'SIGKILL');
    const job = await ended(server.url, id);
    expect(job).toMatchObject({ status: 'completed', attempt: 2 });
    expect(job.attempts[0]!.error).toMatchObject({ code: 'executor-crashed' });
  });

  it('that takes more memory than its executor may use is killed, and says so', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 30, memoryMiB: 700 });
    const job = await ended(server.url, id);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'out-of-memory', permanent: true } });
    expect(job.attempts[0]!.peakMemory).toBeGreaterThan(512 * 1024 * 1024);
  });

  it('that takes longer than its timeout is stopped, and says so', async () => {
    const { id } = await submit(
      server.url,
      'sleep',
      { seconds: 60 },
      { timeoutMs: 100, retry: { attempts: 1 } },
    );
    expect(await ended(server.url, id)).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
  });

  it('is stopped by a cancel while it runs', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 3_600 });
    await running(id);
    const response = await act(server.url, id, 'cancel');
    expect(await response.json()).toMatchObject({ status: 'cancelled' });
    await eventually(
      () => executorOf(server.url, id),
      (pid) => pid === undefined,
    );
    expect(await read(server.url, id)).toMatchObject({ status: 'cancelled' });
    expect((await act(server.url, id, 'cancel')).status).toBe(409);
  });

  it('is stopped by a cancel in the middle of a product', async () => {
    const side = { rows: 12_000, cols: 12_000, seed: 1 };
    const other = await startServer({
      args: ['--min-executors', '1', '--max-executors', '1', '--executor-memory', '3g'],
    });
    try {
      const { id } = await submit(other.url, 'matmul', { a: { random: side }, b: { random: side } });
      await eventually(
        () => read(other.url, id),
        ({ progress }) => (progress?.fraction ?? 0) > 0,
      );
      await act(other.url, id, 'cancel');
      await eventually(
        () => executorOf(other.url, id),
        (pid) => pid === undefined,
      );
      expect(await read(other.url, id)).toMatchObject({ status: 'cancelled' });
    } finally {
      await other.stop();
    }
  });

  it('waits for its turn, perhaps in an executor, and is cancelled without harm to the one that runs', async () => {
    const blockers = await Promise.all([1, 2].map(() => submit(server.url, 'sleep', { seconds: 3_600 })));
    const executors = () => Promise.all(blockers.map(({ id }) => running(id)));
    const before = await executors();
    const { id } = await submit(server.url, 'sleep', { seconds: 0 });
    expect(await (await act(server.url, id, 'cancel')).json()).toMatchObject({ status: 'cancelled' });
    expect(await executors()).toEqual(before);
    await Promise.all(blockers.map((job) => act(server.url, job.id, 'cancel')));
  });
});

describe('a killed executor', () => {
  it('leaves nothing of what it was writing', async () => {
    const side = { rows: 4_000, cols: 4_000, seed: 1 };
    const { id } = await submit(server.url, 'matmul', { a: { random: side }, b: { random: side } });
    const pid = (await running(id))!;
    const writing = (): string[] =>
      readdirSync(join(server.data, 'blobs/tmp'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name);
    await eventually(writing, (files) => files.length > 0);
    await act(server.url, id, 'cancel');
    process.kill(pid, 'SIGKILL');
    await eventually(writing, (files) => files.length === 0);
    expect(writing()).toEqual([]);
  });
});

describe('a server that cannot start', () => {
  it.each([
    ['a library that is not there', ['--blas', '/nonexistent.so'], /--blas/],
    ['an address beyond loopback', ['--host', '0.0.0.0'], /no API key/],
    ['a log level that is none', ['--log-level', 'loud'], /--log-level.*trace/],
  ])('because of %s ends and says why', async (_title, args, why) => {
    await expect(startServer({ args })).rejects.toThrow(why);
  });

  it('because another one owns the folder ends and says so', async () => {
    await expect(startServer({ data: server.data })).rejects.toThrow(/in use/);
  });
});

describe('a stopping server', () => {
  it('does not wait for a client that stalls in its upload', async () => {
    const stalled = await startServer({ args: ['--min-executors', '1', '--max-executors', '1'] });
    const { hostname, port } = new URL(stalled.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write('POST /v1/blobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx');
    const writing = () =>
      readdirSync(join(stalled.data, 'blobs/tmp'), { withFileTypes: true }).filter((e) => e.isFile());
    await eventually(writing, (files) => files.length > 0);
    process.kill(stalled.pid, 'SIGTERM');
    await stalled.exited;
    socket.destroy();
    await stalled.stop();
  });

  it('hands back what does not finish, uncounted, and the next one runs it', async () => {
    const first = await startServer({ args: ['--min-executors', '1', '--max-executors', '1'] });
    const { id } = await submit(first.url, 'sleep', { seconds: 3 });
    await eventually(
      () => executorOf(first.url, id),
      (pid) => pid !== undefined,
    );
    process.kill(first.pid, 'SIGTERM');
    await eventually(
      () => first.output(),
      (text) => text.includes('finishing'),
    );
    process.kill(first.pid, 'SIGTERM'); // the second signal does not wait for the job
    await first.exited;
    const second = await startServer({
      data: first.data,
      args: ['--min-executors', '1', '--max-executors', '1'],
    });
    const job = await ended(second.url, id);
    expect(job).toMatchObject({ status: 'completed', attempt: 1 });
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(['released', 'completed']);
    await second.stop();
  });
});
