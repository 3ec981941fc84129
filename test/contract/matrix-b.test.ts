/** Matrix service B as its clients call it: curl and Python's urllib against a real server. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { act, ended, executorOf, read, submit } from '../support/api.js';
import { curl, curlSending, python, type Answer } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { readNpy } from '../support/npy.js';
import { startServer, type TestServer } from '../support/server.js';

interface Accepted {
  id: string;
  status: string;
  url: string;
}

interface View {
  id: string;
  status: string;
  attempts: number;
  error?: { code: string; message: string };
  result: number[][] | null;
  result_url?: string;
  note?: string;
  [name: string]: unknown;
}

interface Refusal {
  detail: { type: string; loc: (string | number)[]; msg: string }[] | string;
}

let server: TestServer;
/** As the clients write it: without the scheme. */
let H: string;
beforeAll(async () => {
  server = await startServer();
  H = server.url.replace('http://', '');
});
afterAll(() => server.stop());

const post = (body: string, path = '/matrix_multiplication/'): Promise<Answer> =>
  curlSending(
    body,
    '-X',
    'POST',
    `http://${H}${path}`,
    '-H',
    'Content-Type: application/json',
    '--data-binary',
    '@-',
  );

const accepted = async (body: string): Promise<Accepted> => {
  const answer = await post(body);
  expect(answer.status, answer.text).toBe(202);
  return answer.json() as Accepted;
};

async function view(url: string, base = server.url): Promise<View> {
  return (await (await fetch(base + url)).json()) as View;
}

const final = (url: string): Promise<View> =>
  eventually(
    () => view(url),
    ({ status }) => status === 'completed' || status === 'failed',
  );

async function leftovers(): Promise<{ jobs: number; files: string[] }> {
  const { jobs } = (await (await fetch(`${server.url}/v1/jobs`)).json()) as { jobs: unknown[] };
  const entries = readdirSync(join(server.data, 'blobs'), { recursive: true, withFileTypes: true });
  return { jobs: jobs.length, files: entries.filter((entry) => entry.isFile()).map((entry) => entry.name) };
}

// First, while the server has no job: a refusal leaves nothing.
describe('matrix service B refuses', () => {
  const json = ['-H', 'Content-Type: application/json'];
  const long = Array.from({ length: 3_000 }, (_, i) => `[${i},1]`).join(',');
  it.each<[title: string, body: string, loc: (string | number)[], type: string]>([
    ['text that is not JSON', '{"A"; 1}', ['body', 4], 'json_invalid'],
    ['a body that ends early', '{"A": [[1, 2', ['body', 12], 'json_invalid'],
    ['an empty body', '', ['body'], 'missing'],
    ['a body without A', '{"B": [[1]]}', ['body', 'A'], 'missing'],
    ['a body without B', '{"A": [[1]]}', ['body', 'B'], 'missing'],
    ['an unknown member', '{"A": [[1]], "B": [[1]], "C": 1}', ['body', 'C'], 'extra_forbidden'],
    ['a name that the native API has', '{"input.a": 1}', ['body', 'input.a'], 'extra_forbidden'],
    ['ragged rows', '{"A": [[1,2],[3]], "B": [[1],[1]]}', ['body', 'A', 1], 'value_error'],
    ['ragged rows far down', `{"A": [${long},[1]], "B": [[1],[1]]}`, ['body', 'A', 3000], 'value_error'],
    ['a text among the numbers', '{"A": [[1,"x"]], "B": [[1],[1]]}', ['body', 'A', 0, 1], 'value_error'],
    ['NaN', '{"A": [[1]], "B": [[NaN]]}', ['body', 'B', 0, 0], 'value_error'],
    ['an empty matrix', '{"A": [], "B": [[1]]}', ['body', 'A'], 'value_error'],
    ['shapes that do not fit', '{"A": [[1,2]], "B": [[1]]}', ['body', 'B'], 'value_error'],
    ['large shapes that do not fit', `{"A": [${long}], "B": [${long}]}`, ['body', 'B'], 'value_error'],
    ['a matrix that is elsewhere', '{"A": {"url": "s3://x/y.npy"}, "B": [[1]]}', ['body', 'A'], 'list_type'],
  ])('%s, in the shape of FastAPI, and keeps nothing', async (_title, body, loc, type) => {
    const answer = await post(body);
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    const [fault] = (answer.json() as Refusal).detail as Exclude<Refusal['detail'], string>;
    expect(fault).toMatchObject({ loc, type });
    if (!body.includes('input.')) expect(fault!.msg).not.toContain('input.');
    expect(await leftovers()).toEqual({ jobs: 0, files: [] });
  });

  it('multipart, which is no JSON', async () => {
    const answer = await curl('-F', 'A=1', `http://${H}/matrix_multiplication/`);
    expect(answer.status).toBe(415);
    expect((answer.json() as Refusal).detail).toMatch(/multipart.*JSON/);
  });

  it.each([
    'nope',
    '00000000-0000-7000-8000-000000000000',
    '%2e%2e',
    '00000000-0000-7000-8000-000000000000/result',
    '/result',
  ])('to show what is not there: %s', async (id) => {
    const answer = await curl(`http://${H}/matrix_multiplication/${id}`);
    expect(answer.status).toBe(404);
    expect(answer.json() as Refusal).toEqual({ detail: expect.stringMatching(/^there is no /) as unknown });
  });

  it.each(['/matrix_multiplication/', '/matrix_multiplication'])(
    'GET %s: matrices are sent by POST, products are read by id',
    async (path) => {
      const answer = await curl(`http://${H}${path}`);
      expect(answer.status).toBe(405);
      expect(answer.headers.get('allow')).toBe('POST');
      expect(answer.json() as Refusal).toEqual({ detail: 'Method Not Allowed' });
    },
  );

  it('a body above the limit while the client still sends it', async () => {
    const small = await startServer({ args: ['--body-limit', '1m'] });
    try {
      const url = `${small.url}/matrix_multiplication/`;
      const body = `{"A": [[${'1,'.repeat(1_000_000)}1]]}`;
      const announced = await curlSending(body, ...json, '--data-binary', '@-', url);
      expect(announced.status).toBe(413);
      const rows = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(Buffer.from('{"A": [[1')),
        pull: (controller) => controller.enqueue(Buffer.from(',1'.repeat(10_000))),
      });
      const endless = await fetch(url, { method: 'POST', body: rows, duplex: 'half' });
      expect(endless.status).toBe(413);
      expect(await endless.json()).toEqual({ detail: expect.stringContaining('limit') as unknown });
      const { jobs } = (await (await fetch(`${small.url}/v1/jobs`)).json()) as { jobs: unknown[] };
      expect(jobs).toEqual([]);
    } finally {
      await small.stop();
    }
  });
});

describe('matrix service B', () => {
  it('answers its literal call by curl, and multiplies', async () => {
    const answer = await curl(
      '-X',
      'POST',
      `http://${H}/matrix_multiplication/`,
      '-H',
      'Content-Type: application/json',
      '-d',
      `{
    "A": [[1, 2], [3, 4]],
    "B": [[5, 6], [7, 8]]
    }`,
    );
    expect(answer.status).toBe(202);
    const { id, url, status } = answer.json() as Accepted;
    expect(status).toBe('pending');
    expect(url).toBe(`/matrix_multiplication/${id}`);
    expect(answer.headers.get('location')).toBe(url);
    expect(await final(url)).toMatchObject({
      id,
      status: 'completed',
      attempts: 1,
      max_attempts: 5,
      rows: 2,
      cols: 2,
      result: [
        [19, 22],
        [43, 50],
      ],
      result_url: `${url}/result`,
    });
    const bare = await curl(`http://${H}${url}/result`);
    expect(bare.headers.get('content-type')).toMatch(/^application\/json/);
    expect(bare.text).toBe('[[19,22],[43,50]]');
  });

  it('answers Python, with a trailing slash and without', async () => {
    const script = `
import json, sys, time, urllib.request
base = sys.argv[1]
for slash in ("/", ""):
    body = json.dumps({"A": [[1, 2], [3, 4]], "B": [[5.5, 6], [7, -8]]}).encode()
    call = urllib.request.Request(base + "/matrix_multiplication" + slash, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(call) as answer:
        assert answer.status == 202 and answer.url == call.full_url
        job = json.load(answer)
    while True:
        with urllib.request.urlopen(base + "/matrix_multiplication/" + job["id"] + slash) as answer:
            job = json.load(answer)
        assert job["status"] in ("pending", "in-progress", "completed"), job
        if job["status"] == "completed":
            break
        time.sleep(0.05)
    print(json.dumps(job["result"]))
    with urllib.request.urlopen(base + job["result_url"] + slash) as answer:
        assert json.load(answer) == job["result"]`;
    const rows = '[[19.5, -10], [44.5, -14]]';
    expect(await python(script, server.url)).toBe(`${rows}\n${rows}`);
  });

  it.each([
    ['lower-case names', '{"a": [[2]], "b": [[3]]}'],
    ['names of both cases', '{"b": [[3]], "A": [[2]]}'],
  ])('takes %s', async (_title, body) => {
    expect(await final((await accepted(body)).url)).toMatchObject({ result: [[6]] });
  });

  it.each<[title: string, args: string[]]>([
    ['that curl made up', []],
    ['that is not there', ['-H', 'Content-Type:']],
    ['of one word', ['-H', 'Content-Type: foo']],
    ['without its second half', ['-H', 'Content-Type: foo/']],
    ['of punctuation', ['-H', 'Content-Type: ;']],
    ['of two words', ['-H', 'Content-Type: a b']],
  ])('takes a body with a content type %s', async (_title, args) => {
    const body = '{"A": [[2]], "B": [[4]]}';
    const answer = await curl(...args, '-d', body, `http://${H}/matrix_multiplication`);
    expect(answer.status, answer.text).toBe(202);
    expect(await final((answer.json() as Accepted).url)).toMatchObject({ result: [[8]] });
  });

  it('keeps every bit of the numbers', async () => {
    const { url } = await accepted('{"A": [[0.1], [-1e-300]], "B": [[0.7]]}');
    expect((await final(url)).result).toEqual([[0.1 * 0.7], [-1e-300 * 0.7]]);
    const { text } = await curl(`http://${H}${url}/result`);
    expect(text).toBe(`[[${0.1 * 0.7}],[${-1e-300 * 0.7}]]`);
  });

  it('gives a product with infinities by address only, and says so', async () => {
    const { url } = await accepted('{"A": [[1e200]], "B": [[1e200]]}');
    expect(await final(url)).toMatchObject({
      status: 'completed',
      result: null,
      note: expect.stringContaining('application/x-npy') as unknown,
    });
    const rows = await curl(`http://${H}${url}/result`);
    expect(rows.status).toBe(406);
    expect((rows.json() as Refusal).detail).toContain('application/x-npy');
    const npy = await fetch(`${server.url}${url}/result`, { headers: { accept: 'application/x-npy' } });
    expect(readNpy(Buffer.from(await npy.arrayBuffer())).values).toEqual(Float64Array.of(Infinity));
  });

  it('multiplies matrices of 10,000 rows without holding them in the memory of its API', async () => {
    const [m, k, n] = [10_000, 1_000, 50];
    const a = (row: number, col: number): number => (row * 7 + col) % 10;
    const b = (row: number, col: number): number => (row + col * 3) % 10;
    const stream = async (rows: number): Promise<string> => {
      const answer = await fetch(`${server.url}/matrix_multiplication/`, {
        method: 'POST',
        body: ReadableStream.from(bodyOf({ m: rows, k, n, a, b })),
        duplex: 'half',
      });
      expect(answer.status).toBe(202);
      return ((await answer.json()) as Accepted).url;
    };
    await final(await stream(m / 10)); // what every streamed body takes, garbage not yet collected included
    const before = peakMemory();

    const url = await stream(m);
    expect(peakMemory() - before).toBeLessThan(0.5 * m * k * Float64Array.BYTES_PER_ELEMENT);

    const done = await final(url);
    expect(done).toMatchObject({ status: 'completed', rows: m, cols: n, result: null });
    const wanted = (row: number, col: number): number => {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += a(row, i) * b(i, col);
      return sum;
    };
    const rows = (await curl(server.url + done.result_url!)).json() as number[][];
    expect([rows.length, rows[0]!.length]).toEqual([m, n]);
    const npyFile = await fetch(server.url + done.result_url!, { headers: { accept: 'application/x-npy' } });
    expect(npyFile.headers.get('content-type')).toBe('application/x-npy');
    const { values } = readNpy(Buffer.from(await npyFile.arrayBuffer()));
    expect(Array.from(values)).toEqual(rows.flat());
    for (const row of [0, 1, 4_999, 9_999]) {
      expect(rows[row]).toEqual(Array.from({ length: n }, (_, col) => wanted(row, col)));
    }
  });

  it('queues ordinary jobs', async () => {
    const { id } = await accepted('{"A": [[1]], "B": [[1]]}');
    const { jobs } = (await (await fetch(`${server.url}/v1/jobs?type=matmul&limit=1`)).json()) as {
      jobs: { id: string }[];
    };
    expect(jobs[0]!.id).toBe(id);
    expect(await ended(server.url, id)).toMatchObject({ type: 'matmul', status: 'completed' });
  });

  it('shows matrix jobs of other doors, and no other jobs', async () => {
    const native = await submit(server.url, 'matmul', { a: [[2]], b: [[5]] });
    expect(await final(`/matrix_multiplication/${native.id}`)).toMatchObject({ result: [[10]] });
    const echo = await submit(server.url, 'echo', {});
    expect((await curl(`http://${H}/matrix_multiplication/${echo.id}`)).status).toBe(404);
  });

  it('says of a product whose data was removed that it is gone', async () => {
    const column = JSON.stringify(Array.from({ length: 40 }, () => [1]));
    const row = JSON.stringify([Array.from({ length: 40 }, () => 1)]);
    const { id, url } = await accepted(`{"A": ${column}, "B": ${row}}`); // too large for the job's record
    const { result } = (await ended(server.url, id)) as { result: { blob: string } };
    await fetch(`${server.url}/v1/blobs/${result.blob}`, { method: 'DELETE' });
    expect(await view(url)).toMatchObject({
      status: 'completed',
      result: null,
      note: 'the product was removed',
    });
    expect((await curl(`http://${H}${url}/result`)).status).toBe(404);
  });
});

describe('a multiplication of matrix service B', () => {
  let slow: TestServer;
  beforeAll(async () => {
    slow = await startServer({
      args: ['--min-executors', '1', '--max-executors', '1'],
      env: { SIMULATE_WORKLOAD_DURATION_IN_SEC: '2' },
    });
  });
  afterAll(() => slow.stop());

  const queued = async (): Promise<Accepted> =>
    (
      await curl('-d', '{"A": [[1, 2]], "B": [[3], [4]]}', `${slow.url}/matrix_multiplication/`)
    ).json() as Accepted;
  const until = (url: string, right: (seen: View) => boolean): Promise<View> =>
    eventually(() => view(url, slow.url), right);

  it('whose executor is killed is tried again, and shows its attempts', async () => {
    const { id, url } = await queued();
    // Before its first progress the executor may not have begun, and its end would cost no attempt.
    const running = await until(url, ({ progress }) => progress !== undefined);
    expect(running).toMatchObject({ status: 'in-progress', attempts: 1, result: null });
    const pid = await executorOf(slow.url, id);
    expect((await curl(`${slow.url}${url}/result`)).status).toBe(409);
    process.kill(pid!, 'SIGKILL');
    const failed = await until(url, ({ error }) => error !== undefined);
    expect(failed.error).toMatchObject({ code: 'executor-crashed' });
    expect(['pending', 'in-progress']).toContain(failed.status);
    expect(await until(url, ({ status }) => status === 'completed')).toMatchObject({
      attempts: 2,
      simulated: true,
      result: null,
    });
    expect((await curl(`${slow.url}${url}/result`)).json()).toMatchObject({
      simulated: true,
      rows: 1,
      cols: 1,
    });
  });

  it('that is cancelled shows as failed, and says that it was cancelled', async () => {
    const { id, url } = await queued();
    await act(slow.url, id, 'cancel');
    expect(await view(url, slow.url)).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
    expect((await read(slow.url, id)).status).toBe('cancelled');
  });
});

/** The most memory that the API has held so far, in bytes. */
function peakMemory(): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
}

type Element = (row: number, col: number) => number;

function* bodyOf(params: { m: number; k: number; n: number; a: Element; b: Element }): Generator<Uint8Array> {
  const { m, k, n, a, b } = params;
  yield Buffer.from('{"A": ');
  yield* rowsOf(m, k, a);
  yield Buffer.from(', "B": ');
  yield* rowsOf(k, n, b);
  yield Buffer.from('}');
}

function* rowsOf(rows: number, cols: number, element: Element): Generator<Uint8Array> {
  for (let row = 0; row < rows; row++) {
    const text = Array.from({ length: cols }, (_, col) => element(row, col)).join(',');
    yield Buffer.from(`${row === 0 ? '[' : ','}[${text}]${row === rows - 1 ? ']' : ''}`);
  }
}
