import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clientFailure } from '../../test/support/client-failure.js';
import { systemClock } from '../clock.js';
import { DrayClient } from './client.js';
import type { ClientOptions } from './options.js';
import type { AnyTasks } from './tasks.js';

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

async function clientOf(
  listener: RequestListener,
  options: ClientOptions = { patienceMs: 0 },
): Promise<DrayClient<AnyTasks>> {
  const listening = createServer(listener);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  return new DrayClient({ baseUrl: `http://127.0.0.1:${port}`, ...options });
}

/** A clock whose sleeps end at once and move its time on, so that patience runs out without waiting. */
function hastyClock() {
  let passed = 0;
  const pauses: number[] = [];
  const sleep = (ms: number): Promise<void> => {
    passed += ms;
    pauses.push(ms);
    return Promise.resolve();
  };
  return { ...systemClock, monotonic: () => passed, sleep, random: () => 0.5, pauses };
}

function refuse(response: ServerResponse, status: number, code: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
  response.end(JSON.stringify({ ...problem, status, code }));
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
    const error = await clientFailure(client.get('x'));
    expect(error).toMatchObject({ kind: 'problem', code: 'shape-mismatch', status: 400, field: 'input.b' });
    expect(error.message).toBe('a is 2 × 3');
    expect(error.next).toContain('as many columns');
  });

  it('says how to start a server where nothing listens', async () => {
    const client = await clientOf(() => undefined);
    await new Promise((resolve) => server!.close(resolve));
    const error = await clientFailure(client.get('x'));
    expect(error.kind).toBe('unreachable');
    expect(error.message).toMatch(/^no dray server at http:\/\/127\.0\.0\.1:\d+$/);
    expect(error.next).toContain('dray serve');
  });

  it('says so where the server is no Dray server', async () => {
    const client = await clientOf((request, response) => {
      response.writeHead(request.url === '/v1/jobs/html' ? 404 : 200).end('<html>');
    });
    expect((await clientFailure(client.get('html'))).kind).toBe('unexpected');
    expect((await clientFailure(client.get('fine'))).kind).toBe('unexpected');
  });

  it('names a connection that breaks before the answer is whole', async () => {
    const client = await clientOf((_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"id"', () => response.destroy());
    });
    const error = await clientFailure(client.get('x'));
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
    const error = await clientFailure(
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
    expect((await clientFailure(client.saveResult('x', { path }))).kind).toBe('unreachable');
    expect(await readdir(folder)).toEqual([]);
    cut = false;
    const seen: (number | undefined)[][] = [];
    const onBytes = (done: number, total?: number): void => void seen.push([done, total]);
    expect(await client.saveResult('x', { path, onBytes })).toEqual({
      bytes: 6,
      mediaType: 'application/x-npy',
    });
    expect(await readFile(path, 'utf8')).toBe('abcdef');
    expect(seen.at(-1)).toEqual([6, 6]);
    expect(await readdir(folder)).toEqual(['c.npy']);
  });

  it('refuses the whole where a range was asked for', async () => {
    const ranges: unknown[] = [];
    const client = await clientOf((request, response) => {
      ranges.push(request.headers.range);
      response.end('abcdef');
    });
    const error = await clientFailure(client.download('x', { range: { start: 1, end: 3 } }));
    expect(error).toMatchObject({ kind: 'unexpected', status: 200 });
    await clientFailure(client.download('x', { range: { start: 4 } }));
    expect(ranges).toEqual(['bytes=1-2', 'bytes=4-']);
  });

  it.each<[what: string, read: (client: DrayClient<AnyTasks>) => Promise<unknown>]>([
    ['bytes that are not the range asked for', (client) => client.download('x', { range: { start: 4 } })],
    ['a stream that is none of events', (client) => client.events('x').next()],
  ])('gives up the connection on which comes %s', async (_, read) => {
    let gone = (): void => undefined;
    const closed = new Promise<void>((resolve) => (gone = resolve));
    const client = await clientOf((_, response) => {
      response.once('close', gone);
      response.write('It does not end.');
    });
    expect((await clientFailure(read(client))).kind).toBe('unexpected');
    await closed;
  });
});

describe('time limits', () => {
  it('give up a server that takes the request and never answers', async () => {
    const client = await clientOf(() => undefined, { timeoutMs: 50, patienceMs: 0 });
    const error = await clientFailure(client.get('x'));
    expect(error.kind).toBe('unreachable');
    expect(error.message).toMatch(
      /^nothing moved on the connection to .* for 0\.05 s while waiting for an answer/,
    );
  });

  it('give up an answer that stops in the middle', async () => {
    const client = await clientOf((_, response) => void response.write('{'), {
      timeoutMs: 50,
      patienceMs: 0,
    });
    expect((await clientFailure(client.get('x'))).message).toContain('while reading the answer');
  });

  it('leave a reader in peace who takes his time', async () => {
    const size = 8_000_000;
    const client = await clientOf((_, response) => void response.end(Buffer.alloc(size)), { timeoutMs: 40 });
    const { chunks } = await client.download('x');
    let bytes = 0;
    for await (const chunk of chunks) {
      if (bytes === 0) await systemClock.sleep(200);
      bytes += chunk.length;
    }
    expect(bytes).toBe(size);
  });
});

describe('a call that may be repeated', () => {
  it('is tried again under one key, as late as the server asks, until it is accepted', async () => {
    const keys = new Set<unknown>();
    const bodies = new Set<string>();
    const answers = ['gone', 'full', 'unavailable', 'accepted'];
    const clock = hastyClock();
    const client = await clientOf(
      (request, response) => {
        keys.add(request.headers['idempotency-key']);
        void text(request).then((body) => {
          bodies.add(body);
          const answer = answers.shift();
          if (answer === 'gone') return void response.destroy();
          if (answer === 'full') {
            refuse(response, 429, 'queue-full', { 'retry-after': '5' });
            return;
          }
          if (answer === 'unavailable') {
            refuse(response, 503, 'unavailable');
            return;
          }
          response.end(JSON.stringify({ id: 'x', status: 'pending' }));
        });
      },
      { clock },
    );
    expect(await client.submit({ type: 'echo', input: [1] })).toEqual({ id: 'x', status: 'pending' });
    expect(answers).toEqual([]);
    expect(clock.pauses).toEqual([50, 5_000, 200]);
    expect([...keys]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect([...bodies]).toEqual(['{"type":"echo","input":[1]}']);
  });

  it('is sent with the same bytes where it carries files', async () => {
    const path = join(folder, 'a.npy');
    await writeFile(path, 'abc');
    const sent: string[] = [];
    const client = await clientOf(
      (request, response) =>
        void text(request).then((body) => {
          sent.push(`${request.headers['content-type']!} ${body}`);
          if (sent.length < 3) refuse(response, 503, 'unavailable');
          else response.end('{}');
        }),
      { clock: hastyClock() },
    );
    const files = [{ field: 'a', path, contentType: 'application/x-npy' }];
    await client.submitFiles({ job: { type: 'matmul' }, files });
    expect(sent).toHaveLength(3);
    expect(new Set(sent).size).toBe(1);
  });

  it('ends with the error when patience does, without a last useless pause', async () => {
    const clock = hastyClock();
    let retryAfter = '4';
    const client = await clientOf((_, response) => refuse(response, 503, 'unavailable', { 'retry-after': retryAfter }), { clock }); // prettier-ignore
    expect(await clientFailure(client.get('x'))).toMatchObject({ code: 'unavailable', retryAfterMs: 4_000 });
    expect(clock.pauses).toEqual([4_000, 4_000]);
    retryAfter = '3600';
    await clientFailure(client.queues());
    expect(clock.pauses).toHaveLength(2);
  });

  it('is not repeated where the answer is final', async () => {
    let asked = 0;
    const clock = hastyClock();
    const client = await clientOf((request, response) => {
      asked += 1;
      if (request.url === '/desired-worker-scale') refuse(response, 503, 'scale-unknown');
      else refuse(response, 404, 'job-not-found');
    }, { clock }); // prettier-ignore
    await clientFailure(client.get('x'));
    await clientFailure(client.scale());
    expect([asked, clock.pauses]).toEqual([2, []]);
  });

  it('takes a job for cancelled that an earlier try had cancelled', async () => {
    const seen: string[] = [];
    const client = await clientOf((request, response) => {
      seen.push(`${request.method!} ${request.url!}`);
      if (seen.length === 1) request.destroy();
      else if (request.method === 'POST') refuse(response, 409, 'wrong-state');
      else response.end('{"id":"x","status":"cancelled"}');
    }, { clock: hastyClock() }); // prettier-ignore
    expect((await client.cancel('x')).status).toBe('cancelled');
    expect(seen).toEqual(['POST /v1/jobs/x/cancel', 'POST /v1/jobs/x/cancel', 'GET /v1/jobs/x']);
    expect((await clientFailure(client.cancel('x'))).code).toBe('wrong-state');
  });
});

describe('a call that may not be repeated', () => {
  it('is sent once, whatever happens to it', async () => {
    let asked = 0;
    const clock = hastyClock();
    const client = await clientOf((request) => {
      asked += 1;
      request.destroy();
    }, { clock }); // prettier-ignore
    await clientFailure(client.redrive('x'));
    await clientFailure(client.redriveAll({ all: true }));
    await clientFailure(client.upload(Buffer.from('abc')));
    expect([asked, clock.pauses]).toEqual([3, []]);
  });
});

describe('a key', () => {
  it('is sent with every call, and with none where there is none', async () => {
    const seen: unknown[] = [];
    const note: RequestListener = (request, response) => {
      seen.push(request.headers.authorization);
      response.end('{}');
    };
    await (await clientOf(note, { apiKey: 'dray_a_b' })).get('x');
    server!.close();
    await (await clientOf(note)).get('x');
    expect(seen).toEqual(['Bearer dray_a_b', undefined]);
  });
});

describe('waiting', () => {
  it('asks again until the job is final, through a restart of the server', async () => {
    const answers = ['in-progress', 'gone', 'unavailable', 'completed'];
    const urls = new Set<string>();
    const client = await clientOf((request, response) => {
      urls.add(request.url!);
      const answer = answers.shift()!;
      if (answer === 'gone') request.destroy();
      else if (answer === 'unavailable') refuse(response, 503, 'unavailable');
      else response.end(JSON.stringify({ id: 'x', status: answer }));
    }, { clock: hastyClock() }); // prettier-ignore
    expect((await client.wait('x')).status).toBe('completed');
    expect([...urls]).toEqual(['/v1/jobs/x?wait=30s']);
    expect(answers).toEqual([]);
  });

  it('gives up on a server that stays away for half a minute', async () => {
    const clock = hastyClock();
    const client = await clientOf((request) => void request.destroy(), { clock });
    expect((await clientFailure(client.wait('x'))).kind).toBe('unreachable');
    expect(clock.monotonic()).toBeGreaterThan(20_000);
    expect(clock.monotonic()).toBeLessThanOrEqual(30_000);
  });

  it('does not ask again where there is no such job', async () => {
    let asked = 0;
    const client = await clientOf((_, response) => {
      asked += 1;
      refuse(response, 404, 'job-not-found');
    });
    expect((await clientFailure(client.wait('x'))).code).toBe('job-not-found');
    expect(asked).toBe(1);
  });
});
