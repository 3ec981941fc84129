/** `npm run services`, and what of the servers the tests are given. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../../scripts/services/installation.mjs';
import { rabbitVhost, redisDatabase, s3Bucket } from '../support/services.js';

const [redis, rabbit, bucket] = [await redisDatabase(), await rabbitVhost(), await s3Bucket()];
const program = fileURLToPath(new URL('../../scripts/services/run.mjs', import.meta.url));

interface Service {
  readonly name: string;
  readonly state: string;
  readonly pid: number | null;
}

describe.skipIf(missing().length > 0)('npm run services', () => {
  let folder: string;
  const run = async (...args: readonly string[]): Promise<string> =>
    (await promisify(execFile)(process.execPath, [program, ...args, '--folder', folder])).stdout;
  const up = async (): Promise<{ services: Service[]; variables: Record<string, string> }> =>
    JSON.parse(await run('up', '--json')) as never;
  const states = async (): Promise<Service[]> =>
    (JSON.parse(await run('status', '--json')) as { services: Service[] }).services;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-installation-'));
  });
  afterAll(async () => {
    await run('down');
    await rm(folder, { recursive: true });
  });

  it('starts each server once, though told twice', async () => {
    const first = await up();
    expect(first.services.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'redis running',
      'rabbitmq running',
      's3 running',
    ]);
    expect(await up()).toEqual(first);
  });

  it('shows its passwords to nobody but the owner', async () => {
    const { variables } = await up();
    const secrets = [
      new URL(variables['DRAY_QUEUE']!).password,
      new URL(variables['DRAY_STATE']!).password,
      variables['AWS_SECRET_ACCESS_KEY']!,
    ];
    for (const file of ['services.json', 'env']) {
      const text = await readFile(join(folder, file), 'utf8');
      for (const secret of secrets) expect(text).toContain(secret);
      expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
    }
    const shown = `${await run('status')}${await run('status', '--json')}`;
    for (const secret of secrets) expect(shown).not.toContain(secret);
    expect(await say(variables['DRAY_STATE']!, 'PING')).toBe('+PONG');
    expect(await say(variables['DRAY_STATE']!.replace(/:[0-9a-f]+@/, ''), 'PING')).toMatch(/^-NOAUTH/);
  });

  it('starts again what was killed, on the same address', async () => {
    const before = await up();
    process.kill(before.services[0]!.pid!, 'SIGKILL');
    await expect.poll(async () => (await states())[0]!.state).toBe('stopped');
    const after = await up();
    expect(after.services[0]!.pid).not.toBe(before.services[0]!.pid);
    expect(after.variables).toEqual(before.variables);
    expect(after.services.slice(1)).toEqual(before.services.slice(1));
  });

  it('ends all of them and takes up their data again', async () => {
    const { variables } = await up();
    expect(await say(variables['DRAY_STATE']!, 'SET kept yes')).toBe('+OK');
    await run('down');
    expect((await states()).map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped']);
    expect(await run('down')).toBe('Nothing ran.\n');
    expect((await up()).variables).toEqual(variables);
    expect(await say(variables['DRAY_STATE']!, 'GET kept')).toBe('$3\r\nyes');
  });
});

describe.skipIf(!redis || !rabbit || !bucket)('the servers of the tests', () => {
  it('give each test file a part of its own', async () => {
    expect((await redisDatabase())!.url).not.toBe(redis!.url);
    expect((await rabbitVhost())!.url).not.toBe(rabbit!.url);
    expect((await s3Bucket())!.url).not.toBe(bucket!.url);
  });

  it('keep what was answered, whatever happens', async () => {
    expect(await say(redis!.url, 'CONFIG GET appendfsync')).toMatch(/always$/);
    expect(await say(redis!.url, 'CONFIG GET appendonly')).toMatch(/yes$/);
    expect(await say(redis!.url, 'CONFIG GET maxmemory-policy')).toMatch(/noeviction$/);
  });
});

/** What Redis answers to one command, without its last line end. */
function say(url: string, command: string): Promise<string> {
  const { hostname, port, password } = new URL(url);
  const login = password === '' ? [] : [`AUTH ${password}`];
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`${[...login, command, 'QUIT'].join('\r\n')}\r\n`),
    );
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(text.trim().split('\r\n').slice(login.length, -1).join('\r\n')));
  });
}
