/** The start/end jobs as their clients submit and read them. */
import { execFile } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { act, ended, read, submit, type Job } from '../support/api.js';
import { curl, curlSending, python, type Answer } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

interface StartEnd {
  status: string;
  start: string;
  end: string;
  id: string;
  worker?: string;
}

let server: TestServer;
let H: string;
beforeAll(async () => {
  server = await startServer();
  H = server.url;
});
afterAll(() => server.stop());

const post = (body: string, ...args: string[]): Promise<Answer> =>
  curlSending(body, '-X', 'POST', ...args, '--data-binary', '@-', `${H}/jobs`);
const submitted = async (body: string): Promise<StartEnd> => (await post(body)).json() as StartEnd;
const get = async (id: string, at = H): Promise<StartEnd> =>
  (await (await fetch(`${at}/jobs/${id}`)).json()) as StartEnd;
const addresses = Object.values(networkInterfaces()).flatMap((all) =>
  (all ?? []).map(({ address }) => address),
);

// First, while the server has no job: a refusal leaves nothing.
describe('the start/end door refuses', () => {
  it.each<[title: string, body: string, status: number, message: RegExp]>([
    ['text that is not JSON', 'start=go!', 400, /^Invalid JSON: .*byte 0/],
    ['JSON that breaks off', '{"start": "go!"', 400, /^Invalid JSON: .*byte 15/],
    ['no body', '', 400, /^Invalid JSON: the body is empty/],
    ['a key that comes twice', '{"start": "a", "start": "b", "end": "c"}', 400, /^Invalid JSON: .*twice/],
    ['something that is no object', '["go!", "stop!"]', 400, /must be a JSON object/],
    ['a body without start', '{"end": "stop!"}', 400, /^start: /],
    ['a body without end', '{"start": "go!"}', 400, /^end: /],
    ['a start that is no text', '{"start": 1, "end": "stop!"}', 400, /^start: must be a string/],
    ['an end of null', '{"start": "go!", "end": null}', 400, /^end: must be a string/],
    ['anything else in it', '{"start": "go!", "end": "stop!", "id": "x"}', 400, /^id: .*start and end/],
    ['a text that is too long', `{"start": "${'x'.repeat(4_097)}", "end": ""}`, 400, /^start: .*4096/],
    [
      'texts that JSON makes long',
      `{"start": "${'\\u0001'.repeat(4_096)}", "end": "${'\\u0001'.repeat(1_400)}"}`,
      400,
      /32 KiB/,
    ],
    ['a body above its limit', `{"start": "${'x'.repeat(70_000)}"}`, 413, /limit is 65536/],
  ])('%s, and queues nothing', async (_title, body, status, message) => {
    const answer = await post(body, '-H', 'content-type: application/json');
    expect(answer.status).toBe(status);
    expect(answer.json()).toEqual({ status: 'Error', message: expect.stringMatching(message) as unknown });
    expect((await curl(`${H}/jobs`)).text).toBe('[]');
    expect(await (await fetch(`${H}/v1/jobs`)).json()).toMatchObject({ jobs: [] });
  });

  it('a body above its limit whose length is not told', async () => {
    const answer = await post(`{"start": "${'x'.repeat(70_000)}"}`, '-H', 'Transfer-Encoding: chunked');
    expect(answer.status).toBe(413);
  });

  it('ids that it does not know, and cursors that it did not give', async () => {
    const other = await submit(H, 'echo', {});
    for (const id of ['x', '01890000-0000-7000-8000-000000000001', other.id]) {
      const answer = await curl(`${H}/jobs/${id}`);
      expect(answer.status).toBe(404);
      expect(answer.json()).toEqual({ status: 'Error', message: `there is no job ${id}` });
    }
    const answer = await curl(`${H}/jobs?cursor=x`);
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ status: 'Error' });
  });

  it('strangers', async () => {
    const answer = await post('{"start": "go!", "end": "stop!"}', '-H', 'Origin: https://example.com');
    expect(answer.status).toBe(421);
    expect(answer.json()).toMatchObject({ status: 'Error' });
  });
});

describe('the start/end door', () => {
  it('takes its clients’ literal call and runs the job to its end', async () => {
    const answer = await curl(
      ...['-X', 'POST', '-H', 'content-type: application/json'],
      ...['-d', '{"start": "go!", "end": "stop!"}', `${H}/jobs`],
    );
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(
      /^{"status":"submitted","start":"go!","end":"stop!","id":"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"}$/,
    );
    const { id } = answer.json() as StartEnd;
    await ended(H, id);
    const job = await curl(`${H}/jobs/${id}`);
    const { worker } = job.json() as StartEnd;
    expect(addresses).toContain(worker);
    expect(job.text).toBe(
      `{"status":"complete","start":"go!","end":"stop!","id":"${id}","worker":"${worker!}"}`,
    );
  });

  it.each([
    ['none', []],
    ['that of a form', ['-H', 'Content-Type: application/x-www-form-urlencoded']],
    ['that of a file', ['-H', 'Content-Type: multipart/form-data; boundary=x']],
    ['one that is none', ['-H', 'Content-Type: nonsense']],
  ])('reads JSON whatever the content type is: %s', async (_title, args) => {
    const answer = await post('{"end": "", "start": "漢😀"}', ...args);
    expect(answer.json()).toMatchObject({ status: 'submitted', start: '漢😀', end: '' });
  });

  it('answers Python, with a trailing slash and without', async () => {
    const script = `
import json, sys, urllib.request
def call(url, data=None):
    with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
        assert answer.status == 200 and answer.url == url
        return json.load(answer)
for slash in ("", "/"):
    job = call(sys.argv[1] + "/jobs" + slash, json.dumps({"start": "go!", "end": "stop!"}).encode())
    assert list(job) == ["status", "start", "end", "id"]
    while job["status"] != "complete":
        job = call(sys.argv[1] + "/jobs/" + job["id"] + slash)
    assert list(job) == ["status", "start", "end", "id", "worker"]
    assert job in call(sys.argv[1] + "/jobs" + slash)
    print(job["worker"])`;
    const workers = (await python(script, H)).split('\n');
    expect(workers).toHaveLength(2);
    for (const worker of workers) expect(addresses).toContain(worker);
  });

  it('makes ordinary jobs', async () => {
    const { id } = await submitted('{"start": "go!", "end": "stop!"}');
    expect(await ended(H, id)).toMatchObject({
      id,
      type: 'start-end',
      status: 'completed',
      input: { start: 'go!', end: 'stop!' },
      result: { worker: expect.any(String) as unknown },
    });
    const { jobs } = (await (await fetch(`${H}/v1/jobs?type=start-end`)).json()) as { jobs: Job[] };
    expect(jobs.map((job) => job.id)).toContain(id);
  });

  it('completes ten jobs of a shell loop', async () => {
    const loop =
      'for i in 1 2 3 4 5 6 7 8 9 10; do curl -s -X POST -H "content-type: application/json" ' +
      `-d "{\\"start\\": \\"go $i\\", \\"end\\": \\"stop!\\"}" "$H/jobs"; echo; done`;
    const { stdout } = await promisify(execFile)('sh', ['-c', loop], { env: { ...process.env, H } });
    const jobs = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as StartEnd);
    expect(jobs.map(({ start }) => start)).toEqual(Array.from({ length: 10 }, (_, i) => `go ${i + 1}`));
    for (const { id } of jobs) await ended(H, id);
    const listed = (await (await fetch(`${H}/jobs`)).json()) as StartEnd[];
    expect(listed.slice(0, 10).map(({ id }) => id)).toEqual(jobs.map(({ id }) => id).reverse());
    for (const job of listed.slice(0, 10)) expect(job).toMatchObject({ status: 'complete', end: 'stop!' });
  });

  it('lists page by page what does not fit into one', async () => {
    // As JSON six bytes a character: almost all that fits into the record of a job.
    const body = JSON.stringify({ start: '\u0001'.repeat(4_096), end: '\u0001'.repeat(1_300) });
    const made: string[] = [];
    for (let i = 0; i < 15; i++) {
      const answers = Array.from({ length: 10 }, () => fetch(`${H}/jobs`, { method: 'POST', body }));
      for (const answer of await Promise.all(answers)) made.push(((await answer.json()) as StartEnd).id);
    }
    const pages: string[][] = [];
    let next: string | undefined = '/jobs';
    while (next !== undefined) {
      const page: Response = await fetch(H + next);
      pages.push(((await page.json()) as StartEnd[]).map(({ id }) => id));
      next = /^<(\/jobs\?cursor=[^>]+)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1];
    }
    expect(pages.length).toBeGreaterThan(1);
    const all = pages.flat();
    expect(new Set(all).size).toBe(all.length);
    expect(all).toEqual(expect.arrayContaining(made));
    expect(all).toEqual(all.toSorted().reverse());
  });
});

describe('a start/end worker that simulates its work', () => {
  let simulating: TestServer;
  let S: string;
  beforeAll(async () => {
    simulating = await startServer({
      args: ['--max-executors', '1'],
      env: { SIMULATE_WORKLOAD_DURATION_IN_SEC: '1' },
    });
    S = simulating.url;
  });
  afterAll(() => simulating.stop());

  const submitTo = async (): Promise<string> => {
    const body = '{"start": "go!", "end": "stop!"}';
    const job = (await (await fetch(`${S}/jobs`, { method: 'POST', body })).json()) as StartEnd;
    expect(job.status).toBe('submitted');
    return job.id;
  };

  it('is seen in progress while the next job waits', async () => {
    const [first, second] = [await submitTo(), await submitTo()];
    await eventually(
      () => get(first, S),
      ({ status }) => status === 'in progress',
    );
    expect(await get(first, S)).not.toHaveProperty('worker');
    expect(await get(second, S)).toMatchObject({ status: 'submitted' });
    for (const id of [first, second]) {
      const { startedAt, finishedAt } = await ended(S, id);
      expect(Date.parse(finishedAt!) - Date.parse(startedAt!)).toBeGreaterThan(990);
      expect(await get(id, S)).toMatchObject({ status: 'complete', worker: expect.any(String) as unknown });
    }
  });

  it('shows what was cancelled and what failed as that', async () => {
    const cancelled = await submitTo();
    expect((await act(S, cancelled, 'cancel')).status).toBe(200);
    expect(await get(cancelled, S)).toMatchObject({ status: 'cancelled' });
    const input = { start: 'go!', end: 'stop!' };
    const hopeless = await submit(S, 'start-end', input, { timeoutMs: 100, retry: { attempts: 1 } });
    await ended(S, hopeless.id);
    expect(await read(S, hopeless.id)).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
    expect(await get(hopeless.id, S)).toEqual({ status: 'failed', ...input, id: hopeless.id });
  });
});
