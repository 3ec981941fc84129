import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../clock.js';
import { systemClock } from '../clock.js';
import { ClientError } from './error.js';
import { DrayClient } from './http.js';

let folder: string;
let server: Server | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-client-'));
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

async function clientOf(listener: RequestListener, clock: Clock = systemClock): Promise<DrayClient> {
  const listening = createServer(listener);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  return new DrayClient({ baseUrl: new URL(`http://127.0.0.1:${port}/`), clock });
}

async function failure(call: Promise<unknown>): Promise<ClientError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ClientError);
  return error as ClientError;
}

const problem = {
  type: 'x',
  title: 'The shapes',
  status: 400,
  code: 'shape-mismatch',
  detail: 'a is 2 × 3',
  field: 'input.b',
};

describe('a failed call', () => {
  it('carries code, field and a next step from problem details', async () => {
    const client = await clientOf((_, response) => {
      response.writeHead(400, { 'content-type': 'application/problem+json; charset=utf-8' });
      response.end(JSON.stringify(problem));
    });
    const error = await failure(client.get('x'));
    expect(error).toMatchObject({ kind: 'problem', code: 'shape-mismatch', status: 400, field: 'input.b' });
    expect(error.message).toBe('a is 2 × 3');
    expect(error.next).toContain('as many columns');
  });

  it('says how to start a server where nothing listens', async () => {
    const client = await clientOf(() => undefined);
    await new Promise((resolve) => server!.close(resolve));
    const error = await failure(client.get('x'));
    expect(error.kind).toBe('unreachable');
    expect(error.message).toMatch(/^no dray server at http:\/\/127\.0\.0\.1:\d+$/);
    expect(error.next).toContain('dray serve');
  });

  it('says so where the server is no Dray server', async () => {
    const client = await clientOf((request, response) => {
      response.writeHead(request.url === '/v1/jobs/html' ? 404 : 200).end('<html>');
    });
    expect((await failure(client.get('html'))).kind).toBe('unexpected');
    expect((await failure(client.get('fine'))).kind).toBe('unexpected');
  });

  it('names a connection that breaks before the answer is whole', async () => {
    const client = await clientOf((_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"id"', () => response.destroy());
    });
    const error = await failure(client.get('x'));
    expect(error).toMatchObject({ kind: 'unreachable' });
    expect(error.message).toContain('broke while reading the answer');
  });
});

describe('an upload', () => {
  it('tells the refusal that comes before the body was sent', async () => {
    const path = join(folder, 'a.npy');
    await writeFile(path, new Uint8Array(64_000_000));
    const client = await clientOf((request, response) => {
      request.once('data', () => {
        request.pause();
        response.writeHead(413, { 'content-type': 'application/problem+json' });
        response.end(
          JSON.stringify({ ...problem, status: 413, code: 'body-too-large', detail: 'too large' }),
        );
      });
    });
    let sent = 0;
    const error = await failure(
      client.submitFiles({
        job: { type: 'matmul' },
        files: [{ field: 'a', path, contentType: 'application/x-npy' }],
        onBytes: (done) => (sent = done),
      }),
    );
    expect(error.code).toBe('body-too-large');
    expect(sent).toBeLessThan(64_000_000);
  });

  it('stops when aborted, with the reason', async () => {
    const path = join(folder, 'a.npy');
    await writeFile(path, new Uint8Array(64_000_000));
    const stop = new AbortController();
    const client = await clientOf(
      (request) =>
        void request.once('data', () => stop.abort(new Error('enough'))).once('data', () => request.pause()),
    );
    const call = client.submitFiles({
      job: { type: 'matmul' },
      files: [{ field: 'a', path, contentType: 'application/x-npy' }],
      signal: stop.signal,
    });
    await expect(call).rejects.toThrow('enough');
  });
});

describe('a download', () => {
  it('is at its path only when whole', async () => {
    let cut = true;
    const client = await clientOf((_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-npy', 'content-length': 6 });
      if (cut) response.write('abc', () => response.destroy());
      else response.end('abcdef');
    });
    const path = join(folder, 'c.npy');
    expect((await failure(client.download('x', { accept: '*/*', path }))).kind).toBe('unreachable');
    expect(await readdir(folder)).toEqual([]);
    cut = false;
    const seen: (number | undefined)[][] = [];
    const onBytes = (done: number, total?: number): void => void seen.push([done, total]);
    expect(await client.download('x', { accept: '*/*', path, onBytes })).toEqual({
      bytes: 6,
      mediaType: 'application/x-npy',
    });
    expect(await readFile(path, 'utf8')).toBe('abcdef');
    expect(seen.at(-1)).toEqual([6, 6]);
    expect(await readdir(folder)).toEqual(['c.npy']);
  });
});

describe('waiting', () => {
  /** A clock whose sleeps end at once and move its time on, so that patience runs out without waiting. */
  function hastyClock(): Clock {
    let passed = 0;
    return {
      ...systemClock,
      monotonic: () => passed,
      sleep: (ms) => {
        passed += ms;
        return Promise.resolve();
      },
    };
  }

  it('asks again until the job is final, through a restart of the server', async () => {
    const answers = ['in-progress', 'gone', 'unavailable', 'completed'];
    const urls: string[] = [];
    const client = await clientOf((request, response) => {
      urls.push(request.url!);
      const answer = answers.shift()!;
      if (answer === 'gone') return void request.destroy();
      if (answer !== 'unavailable') return void response.end(JSON.stringify({ id: 'x', status: answer }));
      response.writeHead(503, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ ...problem, status: 503, code: 'unavailable' }));
    }, hastyClock());
    const seen: string[] = [];
    const job = await client.wait('x', { everySeconds: 1, onJob: ({ status }) => seen.push(status) });
    expect(job.status).toBe('completed');
    expect(seen).toEqual(['in-progress', 'completed']);
    expect(new Set(urls)).toEqual(new Set(['/v1/jobs/x?wait=1s']));
    expect(answers).toEqual([]);
  });

  it('gives up on a server that stays away', async () => {
    let asked = 0;
    const client = await clientOf((request) => {
      asked += 1;
      request.destroy();
    }, hastyClock());
    expect((await failure(client.wait('x'))).kind).toBe('unreachable');
    expect(asked).toBeGreaterThan(100);
  });

  it('does not ask again where there is no such job', async () => {
    let asked = 0;
    const client = await clientOf((_, response) => {
      asked += 1;
      response.writeHead(404, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ ...problem, status: 404, code: 'job-not-found' }));
    });
    expect((await failure(client.wait('x'))).code).toBe('job-not-found');
    expect(asked).toBe(1);
  });
});
