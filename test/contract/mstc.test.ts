/**
 * The MSTC cloud worker's clients over HTTP. What runs is no container but a task of the tests that has the same input
 * and output (test/support/container-task.mjs): the door is about requests and replies.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { act, ended, read, type Job } from '../support/api.js';
import { curl, curlSending, python, type Answer } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import { containerTask, Gates, literal, type Reply } from '../support/mstc.js';
import { startServer, type TestServer } from '../support/server.js';

const gates = new Gates();
const start = () => startServer({ args: ['--tasks', containerTask], env: gates.env });

let server: TestServer;
let H: string;
beforeAll(async () => {
  server = await start();
  H = server.url;
});
afterAll(async () => {
  await server.stop();
  gates.remove();
});

const post = (body: string, ...args: string[]): Promise<Answer> =>
  curlSending(body, '-X', 'POST', ...args, '--data-binary', '@-', `${H}/processRequest`);
const send = (rest: object, ...args: string[]) => post(JSON.stringify({ ...literal, ...rest }), ...args);
const listed = async (): Promise<Job[]> =>
  ((await (await fetch(`${H}/v1/jobs?type=container`)).json()) as { jobs: Job[] }).jobs;
const named = async (name: string) =>
  (await listed()).filter(({ input }) => (input as Job & { name: string }).name === name);

// First, while the server has no job: a refusal leaves nothing.
describe('the MSTC door refuses', () => {
  it.each<[title: string, body: string, status: number, field: string | undefined, error: RegExp]>([
    ['text that is not JSON', 'image=x', 400, undefined, /byte 0/],
    ['no body', '', 400, undefined, /the body is empty/],
    ['something that is no object', '[]', 400, 'body', /must be a JSON object/],
    [
      'a request without image',
      '{"jobName": "a", "inputBucketUrl": "http://h/b"}',
      400,
      'image',
      /^image: missing/,
    ],
    ['a jobName that is no text', '{"image": "a", "jobName": 1}', 400, 'jobName', /^jobName: must be a text/],
    [
      'a request without bucket',
      '{"image": "a", "jobName": "b"}',
      400,
      'inputBucketUrl',
      /^inputBucketUrl: missing/,
    ],
    [
      'a timeOut that is no number',
      '{"image": "a", "jobName": "b", "timeOut": "5", "inputBucketUrl": "c"}',
      400,
      'timeOut',
      /^timeOut: /,
    ],
    [
      'an image that may not run',
      '{"image": "forbidden", "jobName": "b", "inputBucketUrl": "c"}',
      400,
      'image',
      /^image: is not allowed/,
    ],
    [
      'a bucket that may not be used',
      '{"image": "a", "jobName": "b", "inputBucketUrl": "c", "outputBucketUrl": "forbidden"}',
      400,
      'outputBucketUrl',
      /^outputBucketUrl: is not/,
    ],
    ['a body above 1 MiB', `{"image": "${'x'.repeat(1_100_000)}"}`, 413, undefined, /limit is 1048576/],
  ])('%s, by its name, and queues nothing', async (_title, body, status, field, error) => {
    const answer = await post(body);
    expect(answer.status).toBe(status);
    const refusal = { error: expect.stringMatching(error) as unknown, ...(field !== undefined && { field }) };
    expect(answer.json()).toEqual(refusal);
    expect(await listed()).toEqual([]);
  });

  it('multipart, strangers, and ids that it does not know', async () => {
    expect((await send({}, '-H', 'Content-Type: multipart/form-data; boundary=x')).status).toBe(415);
    expect((await send({}, '-H', 'Origin: https://example.com')).status).toBe(421);
    for (const id of ['x', '01890000-0000-7000-8000-000000000001']) {
      const answer = await curl(`${H}/processRequest/${id}`);
      expect(answer.status).toBe(404);
      expect(answer.json()).toEqual({ error: `there is no container job ${id}` });
    }
  });

  it('all where the server runs no containers, and says so', async () => {
    const without = await startServer();
    const answer = await curlSending(
      JSON.stringify(literal),
      '-X',
      'POST',
      '-d',
      '@-',
      `${without.url}/processRequest`,
    );
    await without.stop();
    expect(answer.status).toBe(400);
    expect(answer.json()).toEqual({ error: expect.stringContaining('--containers') as unknown });
  });
});

describe('the MSTC door', () => {
  it('takes its clients’ literal call, and answers when the container has ended', async () => {
    const body = JSON.stringify(literal);
    const answer = await curl(
      '-X',
      'POST',
      '-H',
      'Content-Type: application/json',
      '-d',
      body,
      `${H}/processRequest`,
    );
    expect(answer.status).toBe(200);
    expect(answer.text).toBe(
      '{"jobName":"test-job","status":"completed","duration":1234,' +
        '"output":"test-job ran for 900 s at most, attempt 1\\n",' +
        '"outputBucketUrl":"http://hostname:9000/bucket","files":[{"key":"result.txt","size":7}]}',
    );
    const id = answer.headers.get('location')!.replace('/processRequest/', '');
    expect(await read(H, id)).toMatchObject({ type: 'container', status: 'completed' });
  });

  it('gives the container its timeOut and its output bucket', async () => {
    const outputBucketUrl = 'http://hostname:9000/out-bucket';
    const reply = (await send({ timeOut: 5, outputBucketUrl })).json();
    expect(reply).toMatchObject({ outputBucketUrl, output: expect.stringContaining(' 300 s ') as unknown });
  });

  it('tells of a failure in a reply too, with the end of the log', async () => {
    const answer = await send({ image: 'test/fails' });
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({
      jobName: 'test-job',
      status: 'failed',
      outputBucketUrl: literal.inputBucketUrl,
      files: [],
      code: 'container-failed',
      error: 'the container ended with exit code 3',
    });
  });

  it('tells the last 16 KiB of a long log, from a whole character on', async () => {
    const { output } = (await send({ image: 'test/talks' })).json() as Reply;
    expect(output).toMatch(/^ä+end$/);
    expect(Buffer.byteLength(output)).toBe(16 * 1024 - 1);
  });

  it('answers Python, with a trailing slash and without', async () => {
    const script = `
import json, sys, urllib.request
for slash in ("", "/"):
    url = sys.argv[1] + "/processRequest" + slash
    request = urllib.request.Request(url, sys.argv[2].encode())
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200 and answer.url == url
        reply = json.load(answer)
    assert list(reply) == ["jobName", "status", "duration", "output", "outputBucketUrl", "files"], reply
    print(reply["status"])`;
    expect(await python(script, H, JSON.stringify(literal))).toBe('completed\ncompleted');
  });

  it('answers at once where that is preferred, and has the reply later', async () => {
    const answer = await send(
      { image: 'test/gate', jobName: 'later' },
      '-H',
      'Prefer: wait=1, respond-async',
    );
    expect(answer.status).toBe(202);
    const { id, url } = answer.json() as { id: string; url: string };
    expect(answer.json()).toEqual({
      jobName: 'later',
      id,
      status: 'submitted',
      url: `/processRequest/${id}`,
    });
    expect(answer.headers.get('location')).toBe(url);
    const look = async () => (await curl(H + url)).json() as Reply;
    await eventually(look, ({ status }) => status === 'running');
    gates.open('later');
    await ended(H, id);
    expect(await look()).toMatchObject({ jobName: 'later', status: 'completed', duration: 1_234 });
  });

  it('tells of a job that is cancelled', async () => {
    const waiting = send({ image: 'test/gate', jobName: 'never' });
    const [job] = await eventually(
      () => named('never'),
      (jobs) => jobs.length === 1,
    );
    await act(H, job!.id, 'cancel');
    expect((await waiting).json()).toMatchObject({
      jobName: 'never',
      status: 'cancelled',
      code: 'cancelled',
    });
  });

  it('starts nothing twice under one Idempotency-Key', async () => {
    const once = ['-H', 'Idempotency-Key: a-1'];
    const [first, second] = [
      await send({ jobName: 'once' }, ...once),
      await send({ jobName: 'once' }, ...once),
    ];
    expect(second.text).toBe(first.text);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(await named('once')).toHaveLength(1);
    expect((await send({ jobName: 'other' }, ...once)).status).toBe(409);
  });

  it('lets the job of a client go on that has gone away', async () => {
    const gone = send({ image: 'test/gate', jobName: 'alone' }, '--max-time', '1');
    await expect(gone).rejects.toThrow();
    const [job] = await named('alone');
    expect(await read(H, job!.id)).toMatchObject({ status: 'in-progress' });
    gates.open('alone');
    expect(await ended(H, job!.id)).toMatchObject({ status: 'completed', attempts: [{ attempt: 1 }] });
  });

  it('tells who waits while the server stops where the reply will be', async () => {
    const other = await start();
    const body = JSON.stringify({ ...literal, image: 'test/gate', jobName: 'stopped' });
    const waiting = curlSending(body, '-X', 'POST', '-d', '@-', `${other.url}/processRequest`);
    await eventually(
      async () => ((await (await fetch(`${other.url}/v1/jobs`)).json()) as { jobs: Job[] }).jobs,
      ([job]) => job?.status === 'in-progress',
    );
    const stopped = other.stop();
    const answer = await waiting;
    gates.open('stopped');
    await stopped;
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
    const { id } = answer.json() as { id: string };
    const url = `/processRequest/${id}`;
    expect(answer.json()).toEqual({ error: expect.stringContaining('stopping') as unknown, id, url });
    expect(answer.headers.get('location')).toBe(url);
  });
});
