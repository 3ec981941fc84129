/** The `dray` command against a real server, both as processes of their own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job, JobList } from '../../src/contract/job.js';
import { main, startServer, type TestServer } from '../support/server.js';

let server: TestServer;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-cli-'));
  server = await startServer();
}, 60_000);
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
}, 60_000);

interface Ran {
  readonly code: number | null;
  readonly bytes: Buffer;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], stdin = '') {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { ...process.env, DRAY_SERVER: server.url },
  });
  const written: Buffer[] = [];
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => written.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.end(stdin);
  const ended = once(child, 'close').then(([code]): Ran => {
    const bytes = Buffer.concat(written);
    return { code: code as number | null, bytes, out: bytes.toString(), err };
  });
  /** Resolves when the text appears on stderr. */
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (err.includes(text)) resolve();
      };
      child.stderr.on('data', look);
      child.once('close', () => reject(new Error(`it ended without saying "${text}": ${err}`)));
      look();
    });
  return { child, ended, said };
}

const dray = (...args: string[]): Promise<Ran> => start(args).ended;
const drayJson = async <T>(...args: string[]): Promise<T> =>
  JSON.parse((await dray(...args, '--json')).out) as T;

/** A .npy file of float64 rows, made by hand so that it does not depend on what it tests. */
function npy(rows: readonly (readonly number[])[]): Buffer {
  const text = `{'descr': '<f8', 'fortran_order': False, 'shape': (${rows.length}, ${rows[0]!.length}), }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`, 'latin1');
  const data = Buffer.from(Float64Array.from(rows.flat()).buffer);
  return Buffer.concat([
    Buffer.from('\u0093NUMPY\u0001\u0000', 'latin1'),
    Buffer.from([118, 0]),
    header,
    data,
  ]);
}

function numbers(file: Buffer): number[] {
  const start = 10 + file.readUInt16LE(8);
  return Array.from({ length: (file.length - start) / 8 }, (_, at) => file.readDoubleLE(start + 8 * at));
}

describe('dray submit', () => {
  it('prints the result of a job', async () => {
    const { code, out } = await dray('submit', 'echo', '--input', '{"hello": ["world", 1]}', '--quiet');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ hello: ['world', 1] });
  });

  it('takes the input from stdin and from a file', async () => {
    const piped = start(['submit', 'echo', '--input', '-', '-q'], '{"from": "stdin"}');
    expect(JSON.parse((await piped.ended).out)).toEqual({ from: 'stdin' });
    await writeFile(join(folder, 'input.json'), '{"from": "file"}');
    expect(JSON.parse((await dray('submit', 'echo', '--input', '@input.json', '-q')).out)).toEqual({
      from: 'file',
    });
  });

  it('multiplies two .npy files into a third and says so in one line', async () => {
    await writeFile(join(folder, 'A.npy'), npy([[1, 2, 3], [4, 5, 6]])); // prettier-ignore
    await writeFile(join(folder, 'B.npy'), npy([[1, 0], [0, 1], [1, 1]])); // prettier-ignore
    const { code, out, err } = await dray('submit', 'matmul', 'A.npy', 'B.npy', '-o', 'C.npy');
    expect(err).toMatch(/upload .* B, job [0-9a-f-]{36}\n/);
    expect(err).toContain('download');
    expect(code).toBe(0);
    expect(out).toMatch(/^C\.npy: 2 × 2 float64, multiplied in .* GFLOP\/s \(.*\), checked: residual .*\n$/);
    expect(numbers(await readFile(join(folder, 'C.npy')))).toEqual([4, 5, 10, 11]);
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('passes dtype and --no-verify on, and fetches the product as JSON', async () => {
    const job = await drayJson<Job>(
      'submit',
      'matmul',
      'A.npy',
      'B.npy',
      '-o',
      'C.json',
      '--dtype',
      'float32',
      '--no-verify',
    );
    expect(job.result).toMatchObject({ dtype: 'float32', check: { status: 'not checked' } });
    expect(JSON.parse(await readFile(join(folder, 'C.json'), 'utf8'))).toEqual([[4, 5], [10, 11]]); // prettier-ignore
  });

  it('passes on when and beside what the job runs, and finds it by its label', async () => {
    const options = ['--priority', 'high', '--key', 'tenant-7', '--max-concurrency', '2', '--delay', '1h'];
    const labels = ['--label', 'team=red', '--label', 'cli=a=b'];
    const job = await drayJson<Job>('submit', 'echo', '-d', ...options, ...labels);
    expect(job).toMatchObject({
      status: 'scheduled',
      priority: 'high',
      concurrencyKey: 'tenant-7',
      labels: { team: 'red', cli: 'a=b' },
    });
    const { jobs } = await drayJson<JobList>('jobs', 'list', '--label', 'cli=a=b');
    expect(jobs.map(({ id }) => id)).toEqual([job.id]);
    const { out } = await dray('jobs', 'get', job.id);
    expect(out).toMatch(/priority +high\nkey +tenant-7\nlabels +team=red cli=a=b\n/);
    const at = await drayJson<Job>('submit', 'echo', '-d', '--at', '2001-01-01T00:00:00Z');
    expect(at.status).not.toBe('scheduled');
    const { code, err } = await dray('submit', 'echo', '--label', 'red');
    expect([code, err]).toEqual([2, expect.stringContaining('--label: "red" is not name=value')]);
  });

  it('gives the same job under the same --idempotency-key, for files too', async () => {
    for (const given of [['echo'], ['matmul', 'A.npy', 'B.npy']]) {
      const run = (): Promise<Job> =>
        drayJson<Job>('submit', ...given, '-d', '--idempotency-key', `cli-${given[0]!}`);
      expect((await run()).id).toBe((await run()).id);
    }
    const { code, err } = await dray(
      'submit',
      'sleep',
      '-d',
      '--idempotency-key',
      'cli-echo',
      '-i',
      '{"seconds":0}',
    );
    expect(code).toBe(1);
    expect(err).toContain('another request was accepted under this Idempotency-Key');
  });

  it('says what was wrong and what to do where the server refuses', async () => {
    const { code, err } = await dray('submit', 'matmul', 'A.npy', 'A.npy', '-o', 'X.npy');
    expect(code).toBe(1);
    expect(err).toMatch(/dray: .+\n {2}→ a must have as many columns as b has rows\.\n/);
    expect(await readdir(folder)).not.toContain('X.npy');
  });

  it('ends with 1 and says how to go on where the job fails', async () => {
    const { code, out, err } = await dray(
      'submit',
      'sleep',
      '--input',
      '{"seconds": 0, "failTimes": 1}',
      '--attempts',
      '1',
    );
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/dray: job [0-9a-f-]{36} failed after 1 attempt: /);
    expect(err).toContain('dray jobs redrive');
  });

  it('leaves the job running on Ctrl-C and says how to get at it', async () => {
    const submitting = start(['submit', 'sleep', '--input', '{"seconds": 60}']);
    await submitting.said('in-progress');
    submitting.child.kill('SIGINT');
    const { code, err } = await submitting.ended;
    expect(code).toBe(130);
    const id = /dray jobs watch ([0-9a-f-]{36})/.exec(err)![1]!;
    expect((await drayJson<Job>('jobs', 'get', id)).status).toBe('in-progress');
    expect((await dray('jobs', 'cancel', id)).code).toBe(0);
  });
});

describe('dray jobs', () => {
  it('cancels a detached job, whose watcher then ends with 1', async () => {
    const id = (
      await dray('submit', 'sleep', '--input', '{"seconds": 60}', '--detach', '--quiet')
    ).out.trim();
    const watching = start(['jobs', 'watch', id]);
    await watching.said('in-progress');
    expect(await dray('jobs', 'cancel', id)).toMatchObject({ code: 0, out: `job ${id} is cancelled\n` });
    const { code, err } = await watching.ended;
    expect(code).toBe(1);
    expect(err).toContain(`job ${id} was cancelled`);
    const again = await dray('jobs', 'cancel', id);
    expect(again.code).toBe(1);
    expect(again.err).toContain('cancelled');
  });

  it('re-drives a failed job to its success', async () => {
    const failed = await drayJson<Job>(
      'submit',
      'sleep',
      '--input',
      '{"seconds": 0, "failTimes": 1}',
      '--attempts',
      '1',
    );
    expect(failed.status).toBe('failed');
    expect((await drayJson<Job>('jobs', 'redrive', failed.id)).id).toBe(failed.id);
    const { code, out } = await dray('jobs', 'watch', failed.id);
    expect(code).toBe(0);
    expect(out).toBe(`job ${failed.id} is completed: dray result ${failed.id}\n`);
    expect((await dray('jobs', 'get', failed.id)).out).toMatch(/attempt +2 of 2\n/);
  });

  it('lists by status and type, newest first, page after page', async () => {
    const ids: string[] = [];
    for (const word of ['one', 'two', 'three'])
      ids.unshift((await drayJson<Job>('submit', 'echo', '-i', `"${word}"`)).id);
    const table = await dray('jobs', 'list', '--limit', '2', '--status', 'completed', '--type', 'echo');
    expect(table.out.split('\n')[0]).toMatch(/^ID +TYPE +STATUS +TRIES +AGE +TOOK$/);
    expect(table.out.match(/[0-9a-f-]{36}/g)).toEqual(ids.slice(0, 2));
    expect(table.err).toContain('--all');
    const all = await drayJson<JobList>('jobs', 'list', '--all', '--type', 'echo');
    expect(all.jobs.slice(0, 3).map(({ id }) => id)).toEqual(ids);
    expect(all.nextCursor).toBeNull();
    expect(await dray('jobs', 'list', '--type', 'none-such')).toMatchObject({
      code: 0,
      out: '',
      err: 'no such jobs\n',
    });
  });

  it('says that there is no such job', async () => {
    const { code, err } = await dray('jobs', 'get', '00000000-0000-7000-8000-000000000000', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'job-not-found', status: 404 } });
  });
});

describe('dray result', () => {
  it('gives a product as JSON on stdout, as .npy through a pipe, and as a file', async () => {
    const { id } = await drayJson<Job>('submit', 'matmul', '-i', '{"a": [[1, 2]], "b": [[3], [4]]}');
    expect((await dray('result', id)).out).toBe('[[11]]\n');
    const piped = await dray('result', id, '--format', 'npy');
    expect(numbers(piped.bytes)).toEqual([11]);
    expect(await drayJson('result', id, '-o', 'R.npy')).toMatchObject({
      id,
      file: 'R.npy',
      mediaType: 'application/x-npy',
    });
    expect(numbers(await readFile(join(folder, 'R.npy')))).toEqual([11]);
  });

  it('says so where the job has none yet', async () => {
    const { id } = await drayJson<Job>('submit', 'sleep', '-i', '{"seconds": 60}', '--detach');
    const { code, err } = await dray('result', id);
    expect(code).toBe(1);
    expect(err).toContain('  → ');
    await dray('jobs', 'cancel', id);
  });
});

describe('dray scale explain', () => {
  it('tells people how many workers there should be, and machines the same', async () => {
    const scale = await drayJson<Record<string, number>>('scale', 'explain');
    expect(scale['desired_worker_scale']).toBeGreaterThanOrEqual(scale['min_workers']!);
    const { code, out } = await dray('scale', 'explain');
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+ workers? wanted/);
    expect(out).toContain('drain_target');
  });
});

describe('dray queues and filters', () => {
  it('pause a type, explain why its job waits, cancel by filter and go on', async () => {
    expect(await dray('queues', 'pause', 'start-end')).toMatchObject({
      code: 0,
      out: 'start-end is paused\n',
    });
    const { id } = await drayJson<Job>(
      'submit',
      'start-end',
      '--input',
      '{"start": "", "end": ""}',
      '--detach',
    );
    expect((await dray('jobs', 'explain', id)).out).toContain('the type "start-end" is paused');
    expect((await dray('queues')).out).toMatch(/^start-end +1 .*paused$/m);
    const unsure = await dray('jobs', 'cancel', '--type', 'start-end');
    expect(unsure.code).toBe(2);
    expect(unsure.err).toContain('--yes');
    expect((await dray('jobs', 'cancel', '--type', 'start-end', '--yes')).out).toBe('1 job cancelled\n');
    expect(await dray('queues', 'resume', 'start-end')).toMatchObject({ code: 0 });
    expect((await dray('jobs', 'cancel', id, '--all')).code).toBe(2);
  });
});
