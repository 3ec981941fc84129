/** Matrix service A as its clients call it, and workers that only simulate their work. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/contract/job.js';
import { ended, executorOf, read } from '../support/api.js';
import { curl, curlSending, python, type Answer } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { main, startServer, type TestServer } from '../support/server.js';

interface Submitted {
  id: string;
  status: string;
  url: string;
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ['--body-limit', '1m'] });
});
afterAll(() => server.stop());

const door = '/matrix-multiplication/submit-job/';
const post = (body: string, base = server.url): Promise<Answer> =>
  curlSending(body, '-X', 'POST', base + door, '-H', 'Content-Type: application/json', '--data-binary', '@-');

async function productOf(id: string): Promise<unknown> {
  expect(await ended(server.url, id)).toMatchObject({ type: 'matmul', status: 'completed' });
  return (await curl('-H', 'Accept: application/json', `${server.url}/v1/jobs/${id}/result`)).json();
}

const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const wrongSize = {
  type: 'value_error',
  loc: ['body', 'size'],
  msg: 'size: must be a whole number from 1 to 63245',
};

// First, while the server has no job: a refusal leaves nothing.
describe('matrix service A refuses', () => {
  it.each<[title: string, body: string, status: number, detail: unknown]>([
    ['text that is not JSON', '{', 422, [{ type: 'json_invalid', loc: ['body', 1] }]],
    ['a body with neither size nor matrices', '{}', 422, [{ type: 'missing', loc: ['body'] }]],
    ['one matrix alone', '{"a": [[1]]}', 422, [{ type: 'missing', loc: ['body', 'b'] }]],
    ['size and matrices', '{"size": 2, "a": [[1]], "b": [[1]]}', 422, [{ loc: ['body', 'size'] }]],
    ['a size that is no number', '{"size": "2"}', 422, [{ loc: ['body', 'size'] }]],
    ['a size of nothing', '{"size": 0}', 422, [{ loc: ['body', 'size'] }]],
    ['a size with far too many digits', `{"size": ${'9'.repeat(90)}}`, 422, [wrongSize]],
    ['a long text for a size', `{"size": "${'x'.repeat(90)}"}`, 422, [wrongSize]],
    ['half a size', '{"size": 2.5}', 422, [{ loc: ['body', 'size'] }]],
    ['a size above the limit', '{"size": 63246}', 422, [{ loc: ['body', 'size'], msg: matching(/63245/) }]],
    ['an unknown member', '{"sizes": 2}', 422, [{ type: 'extra_forbidden', loc: ['body', 'sizes'] }]],
    [
      'shapes that do not fit',
      '{"a": [[1, 2]], "b": [[1]]}',
      422,
      [{ loc: ['body', 'b'], msg: matching(/a is 1 × 2/) }],
    ],
    ['a matrix in both cases', '{"a": [[1]], "A": [[1]], "b": [[1]]}', 422, [{ loc: ['body', 'A'] }]],
    ['a body above the limit', `{"a": [[${'1,'.repeat(600_000)}1]]}`, 413, matching(/limit/)],
  ])('%s, and queues nothing', async (_title, body, status, detail) => {
    const answer = await post(body);
    expect(answer.status).toBe(status);
    expect(answer.json()).toMatchObject({ detail });
    const { jobs } = (await (await fetch(`${server.url}/v1/jobs`)).json()) as { jobs: Job[] };
    expect(jobs).toEqual([]);
  });

  it('multipart, which is not JSON', async () => {
    const answer = await curl('-F', 'a=1', server.url + door);
    expect(answer.status).toBe(415);
    expect(answer.json()).toEqual({ detail: matching(/multipart.*JSON/) });
  });
});

describe('matrix service A', () => {
  it.each([
    ['{"a": [[1, 2], [3, 4]], "b": [[5, 6], [7, 8]]}'],
    ['{"A": [[1, 2], [3, 4]], "B": [[5, 6], [7, 8]]}'],
    ['{"B": [[5, 6], [7, 8]], "a": [[1, 2], [3, 4]]}'],
  ])('queues %s and answers at once', async (body) => {
    const answer = await post(body);
    expect(answer.status).toBe(202);
    const { id, status, url } = answer.json() as Submitted;
    expect(status).toBe('submitted');
    expect(url).toBe(`/v1/jobs/${id}`);
    expect(answer.headers.get('location')).toBe(url);
    expect((await curl(server.url + url)).json()).toMatchObject({ id, type: 'matmul' });
    expect(await productOf(id)).toEqual([
      [19, 22],
      [43, 50],
    ]);
  });

  it.each([['none'], ['foo'], ['foo/'], [';'], ['a b'], ['application/x-www-form-urlencoded']])(
    'takes a body for JSON with the content type %s',
    async (type) => {
      const header = type === 'none' ? 'Content-Type:' : `Content-Type: ${type}`;
      const answer = await curl('-H', header, '-d', '{"a": [[2]], "b": [[3]]}', server.url + door);
      expect(answer.status).toBe(202);
      expect(await productOf((answer.json() as Submitted).id)).toEqual([[6]]);
    },
  );

  it('multiplies two random matrices of the size asked for, others each time', async () => {
    const [first, second] = [
      (await post('{"size": 64}')).json() as Submitted,
      (await post('{"size": 64}')).json() as Submitted,
    ];
    const products = [await productOf(first.id), await productOf(second.id)] as number[][][];
    for (const rows of products) expect([rows.length, rows[0]!.length]).toEqual([64, 64]);
    expect(products[0]).not.toEqual(products[1]);
    const { input } = (await read(server.url, first.id)) as { input: { a: object; b: object } };
    expect(input.a).toEqual({ random: { rows: 64, cols: 64, seed: expect.any(Number) as unknown } });
    expect(input.a).not.toEqual(input.b);
  });

  it.each([
    ['without a body, as its load test calls it', ['-X', 'POST']],
    ['with an empty body', ['-d', '']],
    ['with an empty body of unknown length', ['-X', 'POST', '-H', 'Transfer-Encoding: chunked', '-d', '']],
  ])('multiplies matrices of a default size %s', async (_title, args) => {
    const answer = await curl(...args, server.url + door);
    expect(answer.status).toBe(202);
    const job = await ended(server.url, (answer.json() as Submitted).id);
    expect(job).toMatchObject({ status: 'completed', result: { rows: 100, cols: 100 } });
  });

  it('answers Python, with a trailing slash and without', async () => {
    const script = `
import json, sys, urllib.request
for path in ("/matrix-multiplication/submit-job/", "/matrix-multiplication/submit-job"):
    call = urllib.request.Request(sys.argv[1] + path, method="POST")
    with urllib.request.urlopen(call) as answer:
        assert answer.status == 202 and answer.url == call.full_url
        print(json.load(answer)["status"])`;
    expect(await python(script, server.url)).toBe('submitted\nsubmitted');
  });
});

describe('a worker that simulates its work', () => {
  let simulating: TestServer;
  let H: string;
  beforeAll(async () => {
    simulating = await startServer({
      args: ['--min-executors', '1', '--max-executors', '1'],
      env: { SIMULATE_WORKLOAD_DURATION_IN_SEC: '1' },
    });
    H = simulating.url;
  });
  afterAll(() => simulating.stop());

  const submitted = async (body: string): Promise<Submitted> => (await post(body, H)).json() as Submitted;

  it('holds its slot for that long, one job after the other, and says so in the result', async () => {
    const jobs = [await submitted('{"size": 5000}'), await submitted('{"a": [[1, 2]], "b": [[3], [4]]}')];
    const [first, second] = [await ended(H, jobs[0]!.id), await ended(H, jobs[1]!.id)];
    expect(first.result).toEqual({
      simulated: true,
      rows: 5000,
      cols: 5000,
      seconds: { total: expect.any(Number) as unknown },
    });
    expect(second.result).toMatchObject({ simulated: true, rows: 1, cols: 1 });
    for (const job of [first, second]) {
      const { seconds } = job.result as { seconds: { total: number } };
      expect(seconds.total).toBeGreaterThan(0.99);
      expect(Date.parse(job.finishedAt!) - Date.parse(job.startedAt!)).toBeGreaterThan(990);
    }
    expect(Date.parse(second.startedAt!)).toBeGreaterThanOrEqual(Date.parse(first.finishedAt!) - 5);
    expect(await (await fetch(`${H}/v1/jobs/${first.id}/result`)).json()).toEqual(first.result);
  });

  it('uses next to none of the CPU meanwhile', async () => {
    // 30,000² would keep a core busy for many minutes.
    const { id } = await submitted('{"size": 30000}');
    const pid = await eventually(
      () => executorOf(H, id),
      (found) => found !== undefined,
    );
    const before = cpuSeconds(pid!);
    await ended(H, id);
    expect(cpuSeconds(pid!) - before).toBeLessThan(0.5);
  });

  it('is told of by the command line too', async () => {
    const run = async (...args: string[]): Promise<string> =>
      (await promisify(execFile)(process.execPath, [main, ...args, '--server', H])).stdout;
    const input = '{"a": [[1, 2]], "b": [[3], [4]]}';
    const said = /1 × 1, simulated: a slot was held for 1\.\d+ s, nothing was multiplied\n$/;
    expect(await run('submit', 'matmul', '--input', input)).toMatch(said);
    const { id } = await submitted(input);
    expect(await run('jobs', 'watch', id)).toMatch(said);
  });
});

/** User and system time that the process has taken so far. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
