/** `dray doctor` says what is wrong with the machine, the folder and the server, and what to do. */
import { execFile, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/jobs/diagnosis.js';
import { echoModel } from '../support/onnx.js';
import { main, startServer } from '../support/server.js';

const nobody = ['--server', 'http://127.0.0.1:9'];

describe('the doctor', () => {
  let data: string;
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'dray-diagnosis-'));
  });
  afterEach(() => rm(data, { recursive: true }));

  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    spawnSync(process.execPath, [main, 'doctor', '--data', data, ...args], {
      encoding: 'utf8',
      timeout: 30_000,
      env: { ...process.env, DRAY_MIN_FREE: '1m', ...env },
    });
  const findings = (args: readonly string[], env?: Readonly<Record<string, string>>) => {
    const { status, stdout } = run([...args, '--json'], env);
    const { findings: found } = JSON.parse(stdout) as { findings: Finding[] };
    return { status, of: (check: string) => found.find((finding) => finding.check === check) };
  };

  it('finds nothing wrong with a fresh folder, says so in a table, and leaves nothing behind', async () => {
    const { status, stdout } = run(nobody);
    expect(stdout).toMatch(/^CHECK +STATE +FOUND\nnode +ok +Node \d/);
    expect(stdout).toMatch(/durability +(ok|warning) /);
    expect(stdout).toMatch(/database +ok +none yet/);
    expect(stdout).toMatch(/server +ok +none answers at http:\/\/127\.0\.0\.1:9/);
    expect(status).toBe(0);
    expect(await readdir(data)).toEqual([]);
  });

  it('sees a server at work, and then the database that it left', async () => {
    const server = await startServer({ data });
    const busy = findings(['--server', server.url]);
    expect(busy.of('server')).toMatchObject({ state: 'ok', detail: `ready at ${server.url}/` });
    expect(busy.of('database')).toMatchObject({ state: 'ok', detail: 'a server has it open' });
    expect(findings(nobody).of('server')).toMatchObject({ state: 'warning' });
    await server.stop();
    expect(findings(nobody).of('database')?.detail).toMatch(/^whole, \d+ MiB$/);
  });

  it('loads the models that are to be served, and says of each that cannot be why', async () => {
    const models = join(data, 'models');
    await mkdir(join(models, 'good', '1'), { recursive: true });
    await mkdir(join(models, 'bad', '3'), { recursive: true });
    await writeFile(join(models, 'bad', '3', 'model.onnx'), 'no model');
    const none = findings([...nobody, '--models', models]);
    expect(none.of('model runtime')?.detail).toMatch(/^ONNX Runtime \d/);
    expect(none.of('models')).toMatchObject({
      state: 'wrong',
      detail: expect.stringMatching(
        /^nothing in .* can be served; .*bad\/3: .*good\/1: there is no model\.onnx/,
      ) as string,
    });
    expect(none.status).toBe(1);
    await writeFile(
      join(models, 'good', '1', 'model.onnx'),
      echoModel([{ name: 'x', type: 'float32', shape: ['n'] }]),
    );
    const some = findings(nobody, { DRAY_MODELS: models });
    expect(some.of('models')).toMatchObject({
      state: 'warning',
      detail: expect.stringMatching(/^bad\/3: /) as string,
    });
    await rm(join(models, 'bad'), { recursive: true });
    expect(findings(nobody, { DRAY_MODELS: models }).of('models')).toEqual({
      ...{ check: 'models', state: 'ok', detail: 'good/1' },
    });
    expect(findings(nobody).of('models')).toBeUndefined();
  });

  it('takes the folder from the environment, and the server behind a path', async () => {
    const proxy = createServer((request, response) => {
      response.statusCode = request.url === '/dray/readyz' ? 200 : 404;
      response.end();
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const server = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/dray`;
    const args = [main, 'doctor', '--json', '--server', server];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env: { ...process.env, DRAY_DATA: data, DRAY_MIN_FREE: '1m' },
    });
    proxy.close();
    const { findings: found } = JSON.parse(stdout) as { findings: Finding[] };
    const detailOf = (check: string) => found.find((finding) => finding.check === check)?.detail;
    expect(detailOf('folder')).toBe(data);
    expect(detailOf('server')).toBe(`ready at ${server}/`);
  });

  it('finds a damaged database', async () => {
    await writeFile(join(data, 'jobs.sqlite'), 'no database '.repeat(1_000));
    const { status, of } = findings(nobody);
    expect(of('database')).toMatchObject({ state: 'wrong', advice: expect.any(String) as unknown });
    expect(status).toBe(1);
    expect(run(nobody).stdout).toMatch(/database +wrong +damaged: .*\n +→ Copy the folder first/);
  });

  it('finds what the options ask for and the machine has not', () => {
    const full = findings(nobody, { DRAY_MIN_FREE: '100000t' });
    expect(full.of('disk')).toMatchObject({ state: 'wrong' });
    expect(full.status).toBe(1);
    const large = { DRAY_EXECUTOR_MEMORY: '1000t', DRAY_BLAS: 'none' };
    expect(findings(nobody, large)).toMatchObject({ status: 0 });
    expect(findings(nobody, large).of('memory')).toMatchObject({ state: 'warning' });
    const noLibrary = findings([...nobody], { DRAY_BLAS: '/no/such.so' }).of('matrix kernel');
    expect(noLibrary).toMatchObject({ state: 'wrong', advice: 'Correct the option.' });
    expect(findings(['--server', 'ftp://x']).of('server')).toMatchObject({ advice: 'Correct the option.' });
    const misspelt = findings(nobody, { DRAY_EXECUTOR_MEMORY: 'much' });
    expect(misspelt.of('memory')?.detail).toContain('DRAY_EXECUTOR_MEMORY');
    expect(misspelt.status).toBe(1);
  });
});
