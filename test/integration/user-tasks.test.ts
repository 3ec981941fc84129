/** Tasks of a user's own modules, through the real server. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DrayClient } from '../../src/client/index.js';
import { act, ended, executorOf, read, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { main, startServer, type TestServer } from '../support/server.js';
import { userProject, type UserProject } from '../support/user-project.js';

const ordinary = `
  import Type from 'typebox';
  import { defineTask, PermanentError } from 'dray/task';

  export const shout = defineTask({
    type: 'shout',
    input: Type.Object({ text: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
    output: Type.Object({ text: Type.String() }),
    run: ({ text }) => ({ text: text.toUpperCase() }),
    represent: ({ text }) => [{ mediaType: 'text/plain', bytes: () => Buffer.from(text) }],
  });

  export const plain = {
    type: 'plain',
    input: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
    output: { type: 'object', properties: { a: { type: 'array', items: { type: 'number' } } } },
    admit: ({ n }) => {
      if (n < 0) throw new PermanentError('n is below 0');
      return { n };
    },
    run: ({ n }) => ({ a: n === 0 ? [1, 'two'] : n === 1 ? [1n] : [n] }),
  };

  export const unsteady = defineTask({
    type: 'unsteady',
    input: Type.Object({ good: Type.Integer(), hopeless: Type.Optional(Type.Boolean()) }),
    output: Type.Object({ attempt: Type.Integer() }),
    run: ({ good, hopeless }, { attempt }) => {
      if (hopeless) throw new PermanentError('there is no such city', { code: 'no-such-city' });
      if (attempt < good) throw new Error('the line is busy');
      return { attempt };
    },
  });

  export const report = defineTask({
    type: 'report',
    input: Type.Object({ blob: Type.String() }),
    output: Type.Object({ blob: Type.String(), jobId: Type.String(), pid: Type.Integer() }),
    run: async ({ blob }, { blobs, jobId, log, progress, signal }) => {
      log.info('a word of the task', { about: blob });
      const lost = await blobs.create({ mediaType: 'text/plain' });
      await lost.write(Buffer.from('never committed'));
      const writer = await blobs.create({ mediaType: 'text/plain' });
      for await (const chunk of blobs.read({ id: blob })) await writer.write(chunk.map((byte) => byte ^ 32));
      progress(0.75, 'nearly there');
      await new Promise((resolve) => setTimeout(resolve, 400));
      signal.throwIfAborted();
      return { blob: (await writer.commit()).id, jobId, pid: process.pid };
    },
  });
`;

/** Each waits for a file of its name; \`stubborn\` does not care for its signal, \`narrow\` has a slot of its own. */
const inline = (folder: string): string => `
  import { existsSync, rmSync, writeFileSync } from 'node:fs';
  import { defineTask, stopReasonOf } from 'dray/task';

  const any = {};
  const until = async (name, signal) => {
    while (!existsSync('${folder}/' + name)) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  export default [
    defineTask({
      type: 'light',
      input: any,
      output: any,
      inline: true,
      run: async ({ name }, { signal, progress, jobId }) => {
        progress(0.5);
        writeFileSync('${folder}/started-' + jobId, '');
        await until(name, signal).catch((error) => {
          writeFileSync('${folder}/stopped-' + jobId, error.name);
          throw error;
        });
        return { pid: process.pid };
      },
    }),
    defineTask({
      type: 'stubborn',
      input: any,
      output: any,
      inline: true,
      run: async ({ name }, { attempt, blobs, jobId }) => {
        const writer = await blobs.create({ mediaType: 'text/plain' });
        writeFileSync('${folder}/started-' + jobId, '');
        if (attempt === 1) await until(name);
        await writer.commit().catch((error) => writeFileSync('${folder}/late-' + jobId, error.message));
        return { attempt };
      },
    }),
    defineTask({
      type: 'narrow',
      input: any,
      output: any,
      inline: true,
      slots: 1,
      resumes: true,
      timeoutMs: ({ seconds = 60 }) => 1_000 * seconds,
      run: async ({ name }, { signal, jobId }) => {
        writeFileSync('${folder}/started-' + jobId, '');
        await until(name, signal).catch((error) => {
          writeFileSync('${folder}/stopped-' + jobId, stopReasonOf(signal));
          throw error;
        });
      },
    }),
  ];
`;

/** Each prints when there is a file of its name, and again when there is one of its name and \`-again\`. */
const printing = (folder: string): string => `
  import { existsSync } from 'node:fs';
  import { defineTask } from 'dray/task';

  const task = (type, inline) =>
    defineTask({
      type,
      input: {},
      output: {},
      inline,
      run: async (_input, { output }) => {
        const until = async (name) => {
          while (!existsSync('${folder}/' + name)) await new Promise((resolve) => setTimeout(resolve, 5));
        };
        await until(type);
        output('first line\\nsecond ');
        await until(type + '-again');
        output('line\\nand a last one');
      },
    });
  export default [task('print', false), task('print-inline', true)];
`;

let project: UserProject;
let modules: string;
let server: TestServer;
beforeAll(async () => {
  project = userProject();
  modules = [
    project.write('ordinary.mjs', ordinary),
    project.write('inline.mjs', inline(project.folder)),
    project.write('printing.mjs', printing(project.folder)),
  ].join(',');
  server = await startServer({
    args: ['--tasks', modules, '--inline-slots', '2', '--min-executors', '1', '--max-executors', '1'],
  });
});
afterAll(async () => {
  await server.stop();
  project.remove();
});

const quick = { baseMs: 10, capMs: 20 };
const touch = (name: string): void => writeFileSync(join(project.folder, name), '');
const there = (name: string): Promise<unknown> =>
  eventually(() => existsSync(join(project.folder, name)), Boolean);

async function refusal(type: string, input: unknown): Promise<unknown> {
  const body = JSON.stringify({ type, input });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${server.url}/v1/jobs`, { method: 'POST', headers, body });
  return { status: response.status, ...((await response.json()) as object) };
}

describe('a task of a user', () => {
  it('runs, and its result can be had in a form of its own', async () => {
    const { id } = await submit(server.url, 'shout', { text: 'grüße' });
    expect(await ended(server.url, id)).toMatchObject({ status: 'completed', result: { text: 'GRÜSSE' } });
    const result = await fetch(`${server.url}/v1/jobs/${id}/result`, { headers: { accept: 'text/plain' } });
    expect(await result.text()).toBe('GRÜSSE');
    const json = await fetch(`${server.url}/v1/jobs/${id}/result`, {
      headers: { accept: 'application/json' },
    });
    expect(await json.json()).toEqual({ text: 'GRÜSSE' });
  });

  it('gets no input that does not fit its schema, be it TypeBox or plain JSON schema', async () => {
    expect(await refusal('shout', { text: '' })).toMatchObject({
      status: 400,
      code: 'invalid-request',
      field: 'input.text',
    });
    expect(await refusal('plain', { n: 1.5 })).toMatchObject({ status: 400, field: 'input.n' });
    expect(await refusal('plain', {})).toMatchObject({ status: 400, field: 'input' });
  });

  it('refuses what a schema cannot say, before the job is queued', async () => {
    expect(await refusal('plain', { n: -1 })).toMatchObject({
      status: 400,
      code: 'invalid-request',
      detail: 'input: n is below 0',
    });
  });

  it('fails for good where its output does not fit its schema, with the path', async () => {
    const { id } = await submit(server.url, 'plain', { n: 0 });
    const job = await ended(server.url, id);
    expect(job).toMatchObject({
      status: 'failed',
      attempt: 1,
      error: { code: 'invalid-output', permanent: true },
    });
    expect(job.error!.message).toMatch(/^output\.a\.1: /);
  });

  it('fails for good where its output is not JSON', async () => {
    const { id } = await submit(server.url, 'plain', { n: 1 });
    expect(await ended(server.url, id)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error: { code: 'invalid-output' },
    });
  });

  it('is retried after an error, and not after a permanent one', async () => {
    const steady = await submit(server.url, 'unsteady', { good: 3 }, { retry: quick });
    const job = await ended(server.url, steady.id);
    expect(job).toMatchObject({ status: 'completed', result: { attempt: 3 } });
    expect(job.attempts[0]!.error).toMatchObject({ code: 'task-failed', message: 'the line is busy' });
    const hopeless = await submit(server.url, 'unsteady', { good: 1, hopeless: true }, { retry: quick });
    expect(await ended(server.url, hopeless.id)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error: { code: 'no-such-city', message: 'there is no such city', permanent: true },
    });
  });

  it('reads and writes blobs, reports progress and logs', async () => {
    const headers = { 'content-type': 'text/plain' };
    const uploaded = await fetch(`${server.url}/v1/blobs`, { method: 'POST', headers, body: 'hELLO' });
    const { id: blob } = (await uploaded.json()) as { id: string };
    const { id } = await submit(server.url, 'report', { blob });
    const running = await eventually(
      () => read(server.url, id),
      ({ progress, status }) => progress !== undefined || status === 'failed',
    );
    expect(running.progress).toEqual({ fraction: 0.75, message: 'nearly there' });
    const job = await ended(server.url, id);
    const result = job.result as { blob: string; jobId: string; pid: number };
    expect(result.jobId).toBe(id);
    expect(result.pid).not.toBe(server.pid);
    expect(await (await fetch(`${server.url}/v1/blobs/${result.blob}`)).text()).toBe('Hello');
    expect(server.output()).toMatch(new RegExp(`"about":"${blob}".*"a word of the task"`));
  });
});

describe('what a task prints', () => {
  it.each(['print', 'print-inline'])('reaches those who watch its job while it runs: %s', async (type) => {
    const { id } = await submit(server.url, type, null);
    const watcher = spawn(process.execPath, [main, 'jobs', 'watch', id, '--server', server.url]);
    const [quiet, json] = ['--quiet', '--json'].map((flag) =>
      promisify(execFile)(process.execPath, [main, 'jobs', 'watch', id, flag, '--server', server.url]),
    );
    const said = { out: '', err: '' };
    watcher.stdout.setEncoding('utf8').on('data', (chunk: string) => (said.out += chunk));
    watcher.stderr.setEncoding('utf8').on('data', (chunk: string) => (said.err += chunk));
    const exit = once(watcher, 'close');
    const events: string[] = [];
    const client = new DrayClient({ baseUrl: server.url });
    const follow = async (): Promise<void> => {
      for await (const { status } of client.events(id, { onOutput: ({ text }) => events.push(text) })) {
        seen.push(status);
      }
    };
    const seen: string[] = [];
    const followed = follow();
    await eventually(
      () => said.err.includes('in-progress') && seen.includes('in-progress'),
      (both) => both,
    );
    touch(type);
    await eventually(
      () => said.out,
      (text) => text !== '',
    );
    expect(said.out).toBe('first line\n');
    touch(`${type}-again`);
    await followed;
    expect(await exit).toEqual([0, null]);
    expect(events.join('')).toBe('first line\nsecond line\nand a last one');
    expect(events.length).toBeGreaterThan(1);
    const shown = said.out;
    expect(shown).toMatch(/^first line\nsecond line\nand a last one\njob .* is completed/);
    expect((await quiet!).stdout).toBe('');
    expect(JSON.parse((await json!).stdout)).toMatchObject({ id, status: 'completed' });
  });
});

describe('an inline task', () => {
  it('runs in the process of the server, and takes no executor', async () => {
    const blocker = await submit(server.url, 'sleep', { seconds: 600 });
    await eventually(
      () => executorOf(server.url, blocker.id),
      (pid) => pid !== undefined,
    );
    touch('at-once');
    const { id } = await submit(server.url, 'light', { name: 'at-once' });
    const job = await ended(server.url, id);
    expect(job).toMatchObject({ status: 'completed', result: { pid: server.pid } });
    expect(job.attempts[0]).not.toHaveProperty('peakMemory');
    await act(server.url, blocker.id, 'cancel');
  });

  it('takes slots of its own, so many at a time, and leaves the executors alone', async () => {
    const jobs = await Promise.all([1, 2, 3].map(() => submit(server.url, 'light', { name: 'go' })));
    const workers = await eventually(
      async () => ((await (await fetch(`${server.url}/v1/workers`)).json()) as { workers: object[] }).workers,
      ([, light]) => (light as { busy: number }).busy === 2,
    );
    expect(workers[1]).toMatchObject({
      types: ['light', 'stubborn', 'print-inline'],
      slots: 2,
      executors: [],
    });
    const heavy = await ended(server.url, (await submit(server.url, 'echo', 1)).id);
    expect(heavy).toMatchObject({ status: 'completed' });
    const states = await Promise.all(jobs.map(async ({ id }) => (await read(server.url, id)).status));
    expect(states.filter((status) => status === 'completed')).toEqual([]);
    touch('go');
    for (const { id } of jobs) expect(await ended(server.url, id)).toMatchObject({ status: 'completed' });
  });

  it('with slots of its own takes none from the others, nor those from it', async () => {
    const lights = await Promise.all([1, 2].map(() => submit(server.url, 'light', { name: 'wide' })));
    for (const { id } of lights) await there(`started-${id}`);
    const [first, second] = [
      await submit(server.url, 'narrow', { name: 'narrow-1' }),
      await submit(server.url, 'narrow', { name: 'narrow-2' }),
    ];
    await there(`started-${first.id}`);
    const { workers } = (await (await fetch(`${server.url}/v1/workers`)).json()) as { workers: object[] };
    expect(workers[2]).toMatchObject({ types: ['narrow'], slots: 1, busy: 1, executors: [] });
    expect((workers[2] as { id: string }).id).toMatch(/:narrow$/);
    expect(await read(server.url, second.id)).toMatchObject({ status: 'pending' });
    touch('narrow-1');
    await there(`started-${second.id}`);
    touch('narrow-2');
    for (const { id } of [first, second]) {
      expect(await ended(server.url, id)).toMatchObject({ status: 'completed' });
    }
    touch('wide');
  });

  it('says how long it may take, and is told why it is stopped', async () => {
    const given = await submit(server.url, 'narrow', { name: 'never', seconds: 5 }, { timeoutMs: 40_000 });
    expect(given).toMatchObject({ timeoutMs: 40_000 });
    await there(`started-${given.id}`);
    await act(server.url, given.id, 'cancel');
    const late = await submit(
      server.url,
      'narrow',
      { name: 'never', seconds: 0.2 },
      { retry: { attempts: 1 } },
    );
    expect(await ended(server.url, late.id)).toMatchObject({ timeoutMs: 200, error: { code: 'timeout' } });
    await there(`stopped-${given.id}`);
    const why = ({ id }: { id: string }): string =>
      readFileSync(join(project.folder, `stopped-${id}`), 'utf8');
    expect([why(given), why(late)]).toEqual(['cancelled', 'timeout']);
  });

  it('is told to stop when its job is cancelled', async () => {
    const { id } = await submit(server.url, 'light', { name: 'never' });
    await there(`started-${id}`);
    await act(server.url, id, 'cancel');
    await there(`stopped-${id}`);
    expect(await read(server.url, id)).toMatchObject({ status: 'cancelled', attempt: 1 });
  });

  it('that does not stop is given up: its slot is free, and what it still gives is thrown away', async () => {
    const options = { timeoutMs: 100, retry: quick };
    const jobs = await Promise.all(
      ['late-1', 'late-2'].map((name) => submit(server.url, 'stubborn', { name }, options)),
    );
    for (const { id } of jobs) {
      const job = await ended(server.url, id);
      expect(job).toMatchObject({ status: 'completed', attempt: 2, result: { attempt: 2 } });
      expect(job.attempts[0]).toMatchObject({ outcome: 'failed', error: { code: 'timeout' } });
    }
    touch('late-1');
    touch('late-2');
    for (const { id } of jobs) {
      await there(`late-${id}`); // its blob was forgotten, so it cannot be committed
      expect(await read(server.url, id)).toMatchObject({ result: { attempt: 2 }, attempt: 2 });
    }
    expect(server.output()).toContain('was given up');
  });

  it('is handed back by a server that stops, and the next one runs it', async () => {
    const args = ['--tasks', modules, '--min-executors', '0', '--max-executors', '1'];
    const first = await startServer({ args: [...args, '--log-level', 'debug'] });
    const stubborn = await submit(first.url, 'stubborn', { name: 'handed-back' });
    const light = await submit(first.url, 'light', { name: 'drained' });
    await Promise.all([stubborn, light].map(({ id }) => there(`started-${id}`)));
    process.kill(first.pid, 'SIGTERM');
    await eventually(
      () => first.output(),
      (text) => text.includes('finishing'),
    );
    touch('drained'); // within the grace period
    await eventually(
      () => first.output(),
      (text) => text.includes(`"job":"${light.id}"`) && text.includes('attempt ran'),
    );
    process.kill(first.pid, 'SIGTERM');
    await first.exited; // although the stubborn one still waits in it
    touch('handed-back');
    const second = await startServer({ data: first.data, args });
    expect(await read(second.url, light.id)).toMatchObject({ status: 'completed', attempt: 1 });
    const job = await ended(second.url, stubborn.id);
    expect(job).toMatchObject({ status: 'completed', attempt: 1 });
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(['released', 'completed']);
    await second.stop();
    rmSync(first.data, { recursive: true });
  });
});

describe('a server', () => {
  it('that stops hands back at once what another attempt takes up, while all else ends', async () => {
    const first = await startServer({ args: ['--tasks', modules] });
    const light = await submit(first.url, 'light', { name: 'ends' });
    const narrow = await submit(first.url, 'narrow', { name: 'taken-up' });
    await Promise.all([light, narrow].map(({ id }) => there(`started-${id}`)));
    process.kill(first.pid, 'SIGTERM');
    await there(`stopped-${narrow.id}`);
    expect(readFileSync(join(project.folder, `stopped-${narrow.id}`), 'utf8')).toBe('drain');
    touch('ends');
    await first.exited;
    touch('taken-up');
    const second = await startServer({ data: first.data, args: ['--tasks', modules] });
    expect(await read(second.url, light.id)).toMatchObject({ status: 'completed', attempt: 1 });
    const { status, attempts } = await ended(second.url, narrow.id);
    expect(status).toBe('completed');
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['released', 'completed']);
    await second.stop();
    rmSync(first.data, { recursive: true });
  });

  it('keeps the results of tasks that it no longer has, and says that their jobs have no worker', async () => {
    const first = await startServer({ args: ['--tasks', modules, '--max-executors', '1'] });
    const done = await submit(first.url, 'shout', { text: 'a' });
    await ended(first.url, done.id);
    const waiting = await submit(first.url, 'shout', { text: 'b' }, { delayMs: 1_000 });
    await first.kill();
    const second = await startServer({ data: first.data, args: ['--max-executors', '2'] });
    const result = await fetch(`${second.url}/v1/jobs/${done.id}/result`);
    expect(await result.json()).toEqual({ text: 'A' });
    await eventually(
      () => read(second.url, waiting.id),
      ({ status }) => status === 'pending',
    );
    const explained = await fetch(`${second.url}/v1/jobs/${waiting.id}/explain`);
    expect(await explained.json()).toMatchObject({ reasons: [{ code: 'no-worker' }] });
    // Executors would not help it, so none are wanted for it.
    const scale = await eventually(
      () => fetch(`${second.url}/desired-worker-scale`),
      ({ status }) => status === 200,
    );
    expect(await scale.json()).toMatchObject({ backlog_jobs: 0, need: 0 });
    await second.stop();
    rmSync(first.data, { recursive: true });
  });

  it('does not start on a module that cannot be used, and says which and why', async () => {
    const file = project.write(
      'clash.mjs',
      `export const x = { type: 'echo', input: {}, output: {}, run() {} };`,
    );
    const failure = await startServer({ args: ['--tasks', `${modules},${file}`] }).catch(
      (error: unknown) => error,
    );
    const { message } = failure as Error;
    expect(message).toContain('the server ended (1)');
    expect(message).toContain(`dray: --tasks ${file}: there is another task for the job type "echo"`);
  });

  it('ends although a module of tasks has left something open', async () => {
    const file = project.write('open.mjs', `setInterval(() => {}, 1_000); ${ordinary}`);
    const other = await startServer({ env: { DRAY_TASKS: file } });
    await other.stop();
    expect(other.output()).not.toContain('rror');
  });
});
