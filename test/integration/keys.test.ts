/** Who may call a server, once there are keys; with the real command and the real file. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { main, startServer, type TestServer } from '../support/server.js';

const run = promisify(execFile);
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'dray-keys-'));
  folders.push(made);
  return made;
}

async function dray(args: readonly string[], env: Record<string, string> = {}) {
  const done = await run(process.execPath, [main, ...args], { env: { ...process.env, ...env } }).catch(
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  );
  return { code: 'code' in done ? done.code : 0, out: done.stdout.trim(), err: done.stderr };
}

async function create(data: string, ...args: string[]): Promise<string> {
  const { out, err } = await dray(['keys', 'create', '--data', data, ...args]);
  expect(out, err).toMatch(/^dray_[0-9a-f]{12}_[\w-]{43}$/);
  return out;
}

const idOf = (key: string): string => key.split('_')[1]!;
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
const basic = (key: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`anyone:${key}`).toString('base64')}`,
});
const statusOf = async (url: string, init: RequestInit = {}): Promise<number> => {
  const response = await fetch(url, init);
  await response.arrayBuffer();
  return response.status;
};

describe('a server without keys', () => {
  it('does not start beyond loopback, and says what to do', async () => {
    await expect(startServer({ args: ['--host', '0.0.0.0'] })).rejects.toThrow(/dray keys create --data/);
    await expect(startServer({ args: ['--host', '0.0.0.0', '--auth', 'keys'] })).rejects.toThrow(/API key/);
  });

  it('starts beyond loopback where that is said in so many words', async () => {
    const server = await startServer({ args: ['--host', '0.0.0.0', '--auth', 'insecure-open'] });
    const { port } = new URL(server.url);
    expect(await statusOf(`http://127.0.0.1:${port}/v1/jobs`)).toBe(200);
    const crossSite = { headers: { origin: 'https://evil.example' } };
    expect(await statusOf(`http://127.0.0.1:${port}/v1/jobs`, crossSite)).toBe(421);
    await server.stop();
  });

  it('serves nobody where keys are asked for in any case', async () => {
    const server = await startServer({ args: ['--auth', 'keys'] });
    expect(await statusOf(`${server.url}/v1/jobs`)).toBe(401);
    await server.stop();
  });

  it('does not start with a key file that cannot be read', async () => {
    const data = folder();
    writeFileSync(join(data, 'keys.json'), '{"version":1,"keys":[{"id":"x"}]}');
    await expect(startServer({ data })).rejects.toThrow(/keys\.json cannot be read/);
  });
});

describe('a server that runs', () => {
  it('is closed by its first key, follows the file, and is not opened by losing the last', async () => {
    const data = folder();
    const server = await startServer({ data });
    const jobs = `${server.url}/v1/jobs`;
    expect(await statusOf(jobs)).toBe(200);
    const first = await create(data, '--name', 'first');
    await eventually(
      () => statusOf(jobs),
      (status) => status === 401,
    );
    expect(await statusOf(jobs, { headers: bearer(first) })).toBe(200);

    const second = await create(data);
    await eventually(
      () => statusOf(jobs, { headers: bearer(second) }),
      (status) => status === 200,
    );
    await dray(['keys', 'revoke', idOf(first), '--data', data]);
    await eventually(
      () => statusOf(jobs, { headers: bearer(first) }),
      (status) => status === 401,
    );
    expect(await statusOf(jobs, { headers: bearer(second) })).toBe(200);

    // A file that somebody broke changes nothing.
    const whole = readFileSync(join(data, 'keys.json'));
    writeFileSync(join(data, 'keys.json'), '{');
    await eventually(
      () => server.output(),
      (output) => output.includes('the API keys stay as they were'),
    );
    expect(await statusOf(jobs, { headers: bearer(second) })).toBe(200);
    writeFileSync(join(data, 'keys.json'), whole);

    const { err } = await dray(['keys', 'revoke', idOf(second), '--data', data]);
    expect(err).toContain('lets nobody in');
    await eventually(
      () => statusOf(jobs, { headers: bearer(second) }),
      (status) => status === 401,
    );
    rmSync(join(data, 'keys.json'));
    const third = await create(data);
    await eventually(
      () => statusOf(jobs, { headers: bearer(third) }),
      (status) => status === 200,
    );
    expect(await statusOf(jobs)).toBe(401);
    await server.stop();
  });
});

describe('a server with keys', () => {
  let server: TestServer;
  let data: string;
  const keys = { read: '', submit: '', admin: '' };
  beforeAll(async () => {
    data = folder();
    for (const scope of ['read', 'submit', 'admin'] as const) {
      keys[scope] = await create(data, '--scope', scope, '--name', `for ${scope}`, '--expires', '90d');
    }
    server = await startServer({ data, args: ['--log-level', 'trace'] });
  });
  afterAll(() => server.stop());

  const json = { 'content-type': 'application/json' };
  const echo = { method: 'POST', body: '{"type":"echo","input":1}' };

  it.each<[title: string, path: string, init: RequestInit, statuses: readonly number[]]>([
    ['reading jobs', '/v1/jobs', {}, [200, 200, 200]],
    ['reading the metrics', '/metrics', {}, [200, 200, 200]],
    ['reading the list of addresses', '/openapi.json', {}, [200, 200, 200]],
    ['reading by a door', '/convert/?fahrenheit=1', {}, [200, 200, 200]],
    ['submitting', '/v1/jobs', echo, [403, 202, 202]],
    [
      'submitting many',
      '/v1/jobs/batch',
      { method: 'POST', body: '{"jobs":[{"type":"echo"}]}' },
      [403, 202, 202],
    ],
    ['uploading', '/v1/blobs', { method: 'POST', body: 'x' }, [403, 201, 201]],
    ['asking for a link', '/v1/blobs/links', { method: 'POST', body: '{}' }, [403, 400, 400]],
    [
      'committing a link',
      '/v1/blobs/links/019f0000-0000-7000-8000-000000000000/commit',
      { method: 'POST', body: '' },
      [403, 404, 404],
    ],
    ['submitting by a door', '/jobs', { method: 'POST', body: '{"start":"a","end":"b"}' }, [403, 200, 200]],
    ['stopping a queue', '/v1/queues/sleep/pause', { method: 'POST', body: '' }, [403, 403, 200]],
    ['cancelling by filter', '/v1/jobs/cancel', { method: 'POST', body: '{"type":"none"}' }, [403, 403, 200]],
    [
      'removing a blob',
      '/v1/blobs/019f0000-0000-7000-8000-000000000000',
      { method: 'DELETE' },
      [403, 403, 404],
    ],
    ['an address in another spelling', '/v1/%6aobs', echo, [403, 403, 202]],
  ])('takes what its scope allows: %s', async (_title, path, init, statuses) => {
    const asked = Object.values(keys).map((key) =>
      statusOf(server.url + path, {
        ...init,
        headers: { ...(init.body === undefined ? {} : json), ...bearer(key) },
      }),
    );
    expect(await Promise.all(asked)).toEqual(statuses);
  });

  it.each(['/v1/jobs', '/nothing', '/docs', '/metrics', '/%zz', '/v1/events', '/healthz/', '/openapi.json'])(
    'refuses %s without one',
    async (path) => {
      const response = await fetch(server.url + path);
      expect(await response.json()).toMatchObject({ status: 401, code: 'unauthenticated' });
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="Dray"');
    },
  );

  it('tells a load balancer its health without one', async () => {
    expect(await statusOf(`${server.url}/healthz`)).toBe(200);
    expect(await statusOf(`${server.url}/readyz?verbose`)).toBe(200);
  });

  it('refuses doors without one, in their own shape', async () => {
    const asked = await fetch(`${server.url}/matrix_multiplication/`, { ...echo, headers: json });
    expect(asked.status).toBe(401);
    expect(await asked.json()).toEqual({ detail: expect.stringContaining('API key') as unknown });
  });

  it('takes a key as a bearer, in a header of its own, or as the password of a browser', async () => {
    for (const headers of [bearer(keys.read), { 'x-api-key': keys.read }, basic(keys.read)]) {
      expect(await statusOf(`${server.url}/v1/jobs`, { headers })).toBe(200);
    }
    const page = await fetch(`${server.url}/docs`, { headers: { accept: 'text/html,*/*' } });
    expect(page.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
  });

  it.each<[title: string, key: () => string]>([
    ['made up', () => `dray_0123456789ab_${'x'.repeat(43)}`],
    ['of another secret', () => keys.admin.slice(0, -1) + (keys.admin.endsWith('A') ? 'B' : 'A')],
    ['cut short', () => keys.admin.slice(0, -1)],
    ['that is none', () => 'letmein'],
  ])('refuses a key %s', async (_title, key) => {
    const response = await fetch(`${server.url}/v1/jobs`, { headers: bearer(key()) });
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain(key());
  });

  it('refuses a key that has expired', async () => {
    const key = await create(data, '--expires', '1ms');
    const { out } = await dray(['keys', 'list', '--data', data, '--json']);
    expect((JSON.parse(out) as { keys: { id: string }[] }).keys.map(({ id }) => id)).toContain(idOf(key));
    const known = await create(data);
    await eventually(
      () => statusOf(`${server.url}/v1/jobs`, { headers: bearer(known) }),
      (status) => status === 200,
    );
    expect(await statusOf(`${server.url}/v1/jobs`, { headers: bearer(key) })).toBe(401);
  });

  it('refuses what a page of elsewhere sends with the browser’s password', async () => {
    const submit = (headers: Record<string, string>) =>
      statusOf(`${server.url}/v1/jobs`, { ...echo, headers: { ...json, ...headers } });
    expect(await submit({ ...basic(keys.admin), origin: 'https://evil.example' })).toBe(421);
    expect(await submit({ ...basic(keys.admin), origin: 'null' })).toBe(421);
    expect(await submit({ ...basic(keys.admin), origin: new URL(server.url).origin })).toBe(202);
    expect(await submit({ ...bearer(keys.admin), origin: 'https://app.example' })).toBe(202);
  });

  it('lets the command line in with DRAY_API_KEY', async () => {
    const args = ['jobs', 'list', '--server', server.url];
    expect((await dray(args, { DRAY_API_KEY: keys.read })).code).toBe(0);
    expect((await dray([...args, '--api-key', keys.read])).code).toBe(0);
    const refused = await dray(args, { DRAY_API_KEY: '' });
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('DRAY_API_KEY')]);
  });

  it('keeps no key, and logs none', async () => {
    const file = join(data, 'keys.json');
    const kept = readFileSync(file, 'utf8');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await fetch(`${server.url}/v1/jobs`, { ...echo, headers: { ...json, ...basic(keys.admin) } });
    await eventually(
      () => server.output(),
      (output) => output.includes('"request"'),
    );
    for (const key of Object.values(keys)) {
      const secret = key.slice(-43);
      expect(kept).not.toContain(secret);
      expect(server.output()).not.toContain(secret);
      expect(server.output()).not.toContain(basic(key)['authorization']!.slice(6));
    }
  });
});

describe('open doors', () => {
  let server: TestServer;
  beforeAll(async () => {
    const data = folder();
    await create(data);
    server = await startServer({ data, args: ['--open-doors'] });
  });
  afterAll(() => server.stop());

  it('serve clients that send no key, or something else as one; nothing beside them is open', async () => {
    const matrices = { method: 'POST', body: '{"A":[[1]],"B":[[1]]}' };
    expect(await statusOf(`${server.url}/matrix_multiplication/`, matrices)).toBe(202);
    expect(
      await statusOf(`${server.url}/matrix_multiplication/`, { ...matrices, headers: bearer('x') }),
    ).toBe(202);
    expect(await statusOf(`${server.url}/convert/?fahrenheit=451`)).toBe(200);
    expect(await statusOf(`${server.url}/jobs`)).toBe(200);
    expect(await statusOf(`${server.url}/desired-worker-scale`)).not.toBe(401);
    for (const path of ['/v1/jobs', '/metrics', '/docs']) {
      expect(await statusOf(server.url + path), path).toBe(401);
    }
  });

  it('are shut to web pages of elsewhere', async () => {
    const page = { headers: { origin: 'https://evil.example' } };
    expect(await statusOf(`${server.url}/convert/?fahrenheit=451`, page)).toBe(421);
  });
});

describe('the key file', () => {
  it('loses no key where many are created at once', async () => {
    const data = folder();
    const made = await Promise.all(Array.from({ length: 4 }, () => create(data)));
    const { out } = await dray(['keys', 'list', '--json', '--data', data]);
    const { keys } = JSON.parse(out) as { keys: { id: string }[] };
    expect(keys.map(({ id }) => id).sort()).toEqual(made.map(idOf).sort());
  });

  it('is not changed while another dray changes it, or was killed while it did', async () => {
    const data = folder();
    await create(data);
    writeFileSync(join(data, 'keys.json.next'), '');
    const { code, err } = await dray(['keys', 'create', '--data', data]);
    expect([code, err]).toEqual([1, expect.stringContaining('remove')]);
  });

  it('names what is wrong in the command', async () => {
    const data = folder();
    const unknown = await dray(['keys', 'revoke', '0123456789ab', '--data', data]);
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('there is no key')]);
    const never = await dray(['keys', 'create', '--expires', 'soon', '--data', data]);
    expect([never.code, never.err]).toEqual([2, expect.stringContaining('90d')]);
    const scope = await dray(['keys', 'create', '--scope', 'root', '--data', data]);
    expect([scope.code, scope.err]).toEqual([2, expect.stringContaining('read, submit, admin')]);
  });
});
