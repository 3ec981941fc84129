/** Models that come, go, are damaged or slow, on a real server. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { echoModel, onnxModel, slowModel } from '../support/onnx.js';
import { main, startProcess, type TestProcess } from '../support/server.js';

let folder: string;
let server: TestProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-models-'));
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

const start = async (...args: string[]): Promise<TestProcess> =>
  (server = await startProcess({ args: ['models', 'serve', '--models', folder, '--port', '0', ...args] }));

/** Whole or not at all, as a deployment would do it. */
async function put(model: string, version: number, content: Buffer): Promise<void> {
  const aside = join(folder, `.${model}-${version}`);
  await mkdir(aside);
  await writeFile(join(aside, 'model.onnx'), content);
  await mkdir(join(folder, model), { recursive: true });
  await rename(aside, join(folder, model, String(version)));
}

async function get(path: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${server!.url}${path}`);
  return { status: answer.status, body: await answer.json() };
}

async function predict(path: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${server!.url}/v1/models/${path}:predict`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

const metrics = async (): Promise<string> => (await fetch(`${server!.url}/metrics`)).text();

const number = (type: 'float32' | 'int64' | 'float64' | 'bool' | 'string') =>
  echoModel([{ name: 'x', type, shape: ['n'] }]);
/** Answers with what is given, plus itself so many times. */
const times = (factor: 2 | 3) =>
  onnxModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['n'] }],
    nodes: [
      { op: 'Add', inputs: ['x', 'x'], outputs: [factor === 2 ? 'y' : 'double'] },
      ...(factor === 3 ? [{ op: 'Add', inputs: ['double', 'x'], outputs: ['y'] }] : []),
    ],
  });
const states = async (model: string): Promise<Record<string, string>> => {
  const { body } = await get(`/v1/models/${model}`);
  const { model_version_status: versions = [] } = body as {
    model_version_status?: { version: string; state: string }[];
  };
  return Object.fromEntries(versions.map(({ version, state }) => [version, state]));
};

describe('a folder of models', () => {
  it('serves every type and every version, the highest one by default', async () => {
    await put('text', 1, number('string'));
    await put('whole', 1, number('int64'));
    await put('flag', 1, number('bool'));
    await put('times', 2, times(2));
    await put('times', 10, times(3));
    await put('old', 3, times(2));
    await rename(join(folder, 'old', '3'), join(folder, 'old', '00000003'));
    await start();
    expect(await predict('text', { instances: ['é', ''] })).toEqual({
      status: 200,
      body: { predictions: ['é', ''] },
    });
    expect((await predict('whole', { instances: [7] })).body).toEqual({ predictions: [7] });
    expect((await predict('flag', { instances: [true, false] })).body).toEqual({
      predictions: [true, false],
    });
    expect((await predict('times', { instances: [1] })).body).toEqual({ predictions: [3] });
    expect((await predict('times/versions/2', { instances: [1] })).body).toEqual({ predictions: [2] });
    expect(await states('times')).toEqual({ 2: 'AVAILABLE', 10: 'AVAILABLE' });
    expect((await predict('old/versions/3', { instances: [1] })).body).toEqual({ predictions: [2] });
    expect(await states('old')).toEqual({ 3: 'AVAILABLE' });
  });

  it('says of a damaged, an empty and an odd model why, and serves the others', async () => {
    await put('good', 1, times(2));
    await put('good', 2, Buffer.from('no model at all'));
    await mkdir(join(folder, 'empty', '1'), { recursive: true });
    await put('half', 1, echoModel([{ name: 'x', type: 'float16', shape: ['n'] }]));
    await start();
    expect((await predict('good', { instances: [1] })).body).toEqual({ predictions: [2] });
    expect(await states('good')).toEqual({ 1: 'AVAILABLE', 2: 'END' });
    for (const [model, reason] of [
      ['good/versions/2', /[Pp]rotobuf/],
      ['empty', /there is no model\.onnx/],
      ['half', /"x" has elements of type float16/],
    ] as const) {
      const { body } = await get(`/v1/models/${model}`);
      const [version] = (
        body as { model_version_status: { status: { error_message: string; error_code: string } }[] }
      ).model_version_status;
      expect(version!.status.error_message).toMatch(reason);
      expect(version!.status.error_code).not.toBe('OK');
    }
    expect(server!.output()).toMatch(/cannot be served/);
    expect((await predict('empty', { instances: [1] })).status).toBe(404);
    expect((await get('/readyz')).status).toBe(200);
  });

  it('without a model that could be asked is not ready', async () => {
    await put('bad', 1, Buffer.from('x'));
    await start();
    expect((await get('/readyz')).status).toBe(503);
    expect((await get('/healthz')).status).toBe(200);
  });

  it('that is not there is an error at start', async () => {
    await expect(
      startProcess({ args: ['models', 'serve', '--models', join(folder, 'nothing'), '--port', '0'] }),
    ).rejects.toThrow(/--models: ENOENT/);
  });

  it('needs a key where there are keys, and says so in the shape of its errors', async () => {
    await put('times', 1, times(2));
    const keys = join(folder, 'keys.json');
    const made = ['keys', 'create', '--keys', keys, '--scope', 'submit', '--json'];
    const { key } = JSON.parse(execFileSync(process.execPath, [main, ...made], { encoding: 'utf8' })) as {
      key: string;
    };
    await start('--keys', keys);
    expect(await predict('times', { instances: [1] })).toEqual({
      ...{ status: 401, body: { error: expect.stringMatching(/needs an API key/) as string } },
    });
    const answer = await fetch(`${server!.url}/v1/models/times:predict`, {
      ...{ method: 'POST', body: '{"instances":[1]}', headers: { authorization: `Bearer ${key}` } },
    });
    expect(await answer.json()).toEqual({ predictions: [2] });
    expect((await get('/readyz')).status).toBe(200);
  });

  it('changes under load without an answer that is no answer', async () => {
    await put('times', 1, times(2));
    await start();
    const seen = new Set<number>();
    let going = true;
    const asking = async (): Promise<void> => {
      while (going) {
        const { status, body } = await predict('times', { instances: [1] });
        expect(status, JSON.stringify(body)).toBe(200);
        seen.add((body as { predictions: number[] }).predictions[0]!);
      }
    };
    const all = Promise.all([asking(), asking(), asking()]);
    try {
      await put('times', 2, times(3));
      await eventually(
        () => seen.has(3),
        (yes) => yes,
      );
      await rm(join(folder, 'times', '1'), { recursive: true });
      await eventually(
        () => states('times'),
        (now) => Object.keys(now).join() === '2',
      );
    } finally {
      going = false;
      await all;
    }
    expect([...seen].sort()).toEqual([2, 3]);
  });

  it('is there all the time while the file of its only version is replaced', async () => {
    await put('times', 1, times(2));
    await start();
    const seen = new Set<string>();
    const aside = join(folder, '.next');
    await writeFile(aside, times(3));
    await rename(aside, join(folder, 'times', '1', 'model.onnx'));
    await eventually(
      async () => {
        seen.add(String((await get('/readyz')).status)).add((await states('times'))['1']!);
        return (await predict('times', { instances: [1] })).body;
      },
      (body) => (body as { predictions: number[] }).predictions[0] === 3,
    );
    expect([...seen]).toEqual(['200', 'AVAILABLE']);
  });

  it('may lose a version whose requests still wait: they are answered', async () => {
    await put('times', 1, times(2));
    await start('--model-batch-time', '8s');
    const waiting = predict('times', { instances: [1] });
    await eventually(metrics, (text) => text.includes('dray_model_requests_waiting 1'));
    await rm(join(folder, 'times'), { recursive: true });
    await eventually(
      () => get('/v1/models/times'),
      ({ status }) => status === 404,
    );
    expect(await waiting).toEqual({ status: 200, body: { predictions: [2] } });
    expect((await predict('times', { instances: [1] })).status).toBe(404);
  });
});

describe('a model', () => {
  const square = (size: number) => ({
    inputs: Array.from({ length: size }, () => new Array<number>(size).fill(1e-3)),
  });

  it('that is asked by more than may wait refuses the rest at once, and answers the others', async () => {
    await put('slow', 1, slowModel(40));
    await start('--model-queue', '2');
    const answers = await Promise.all(Array.from({ length: 8 }, () => predict('slow', square(300))));
    const counted = (status: number): number => answers.filter((answer) => answer.status === status).length;
    expect(counted(200)).toBeGreaterThanOrEqual(2);
    expect(counted(429)).toBeGreaterThanOrEqual(1);
    expect(counted(200) + counted(429)).toBe(8);
    expect(answers.find(({ status }) => status === 429)!.body).toEqual({
      error: expect.stringMatching(/requests wait for a model already/) as string,
    });
  });

  it('does nothing for a client that has gone', async () => {
    await put('times', 1, times(2));
    await start('--model-batch-time', '3s');
    const going = new AbortController();
    const gone = fetch(`${server!.url}/v1/models/times:predict`, {
      ...{ method: 'POST', body: '{"instances":[1,2,3]}', signal: going.signal },
    });
    await eventually(metrics, (text) => text.includes('dray_model_requests_waiting 1'));
    going.abort();
    await expect(gone).rejects.toThrow();
    expect((await predict('times', { instances: [1, 2] })).body).toEqual({ predictions: [2, 4] });
    expect(await metrics()).toMatch(/^dray_model_batch_rows_sum\{model="times"\} 2$/m);
  });

  it.each(['1', '2'])(
    'that is asked together gives each what it asked for, with threads: %s',
    async (threads) => {
      await put('times', 1, times(2));
      await start('--model-threads', threads);
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, at) => predict('times', { instances: [at + 1, -1 - at] })),
      );
      expect(answers.map(({ body }) => body)).toEqual(
        Array.from({ length: 200 }, (_, at) => ({ predictions: [2 * at + 2, -2 - 2 * at] })),
      );
      const text = await metrics();
      const [, runs] = /^dray_model_batch_rows_count\{model="times"\} (\d+)$/m.exec(text)!;
      expect(Number(runs)).toBeLessThan(200);
      expect(text).toMatch(/^dray_model_batch_rows_sum\{model="times"\} 400$/m);
      expect(text).toMatch(
        /^dray_model_request_duration_seconds_count\{model="times",version="1",status="200"\} 200$/m,
      );
    },
  );

  it('whose outputs are too many is not asked for more than an answer may have', async () => {
    const table = onnxModel({
      inputs: [
        { name: 'down', type: 'float32', shape: ['n', 1] },
        { name: 'across', type: 'float32', shape: [1, 'n'] },
      ],
      outputs: [{ name: 'table', type: 'float32', shape: ['n', 'n'] }],
      nodes: [{ op: 'MatMul', inputs: ['down', 'across'], outputs: ['table'] }],
    });
    await put('table', 1, table);
    await start();
    const ask = (size: number) =>
      predict('table', {
        inputs: { down: Array.from({ length: size }, () => [1]), across: [new Array<number>(size).fill(1)] },
      });
    expect((await ask(1_000)).status).toBe(200);
    expect(await ask(1_001)).toEqual({
      ...{ status: 413, body: { error: expect.stringMatching(/outputs have 1002001 elements/) as string } },
    });
  });

  it('refuses what only running it can show, without harm to those that were asked beside it', async () => {
    const gather = onnxModel({
      inputs: [{ name: 'at', type: 'int64', shape: ['n'] }],
      outputs: [{ name: 'shape', type: 'int64', shape: ['n'] }],
      nodes: [
        { op: 'Shape', inputs: ['at'], outputs: ['size'] },
        { op: 'Gather', inputs: ['size', 'at'], outputs: ['shape'], attributes: { axis: 0 } },
      ],
    });
    await put('gather', 1, gather);
    await start();
    const answers = await Promise.all([0, 0, 5, 0, 5].map((at) => predict('gather', { instances: [at] })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400, 200, 400]);
  });
});
