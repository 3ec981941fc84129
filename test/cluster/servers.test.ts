/** What a release keeps, and what it does not touch: its servers, its Secrets, and the keys that are added to them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newKey } from '../../src/keys/key.js';
import { eventually } from '../support/eventually.js';
import { noChart } from './programs.js';
import { installRelease, type Release } from './release.js';

const minutes = 60_000;
const servers = ['redis', 'rabbitmq', 's3'] as const;

describe.skipIf(noChart !== undefined)('the servers of a release', () => {
  let release: Release;
  beforeAll(async () => {
    release = await installRelease();
  }, 4 * minutes);
  afterAll(() => release.cleanup(), 2 * minutes);

  const pods = async (): Promise<readonly string[]> =>
    (await Promise.all(servers.map((server) => release.pods(server))))
      .flat()
      .map(({ metadata }) => metadata.uid);
  const patch = (stringData: Readonly<Record<string, string>>): Promise<string> =>
    release.kubectl([
      'patch',
      'secret',
      `${release.fullname}-api-key`,
      '--patch',
      JSON.stringify({ stringData }),
    ]);
  const keyFile = async (): Promise<{ version: 1; keys: object[] }> => {
    const path = ['get', 'secret', `${release.fullname}-api-key`, '--output', 'jsonpath={.data.keys\\.json}'];
    return JSON.parse(Buffer.from(await release.kubectl(path), 'base64').toString()) as {
      version: 1;
      keys: object[];
    };
  };

  it('show their passwords to nobody who sees the processes', async () => {
    const seen = await release.exec('redis', ['cat', '/proc/1/cmdline']);
    expect(seen).toContain('redis-server');
    const password = await release.exec('redis', ['sh', '-c', 'printf %s "$REDISCLI_AUTH"']);
    expect(password).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(seen).not.toContain(password);
  });

  it('go on while Dray is upgraded, which knows keys that were added', { timeout: 5 * minutes }, async () => {
    const before = await pods();
    const { text, record } = newKey({ name: 'added', scope: 'read', createdAt: new Date() });
    const file = await keyFile();
    await patch({ 'keys.json': JSON.stringify({ ...file, keys: [...file.keys, record] }) });

    await release.upgrade({ options: { logLevel: 'debug' } });

    expect(await pods()).toEqual(before);
    expect((await keyFile()).keys).toContainEqual(record);
    const headers = { authorization: `Bearer ${text}` };
    // The kubelet takes its time to write a changed Secret where it is mounted already.
    const status = await eventually(
      async () => (await fetch(`${release.url}/v1/workers`, { headers })).status,
      (code) => code === 200,
    );
    expect(status).toBe(200);
  });

  it('are told of by helm test where something is wrong', { timeout: 4 * minutes }, async () => {
    const { text } = newKey({ name: 'unknown', scope: 'admin', createdAt: new Date() });
    await patch({ key: text });
    await expect(release.helm('test', release.name)).rejects.toThrow(/failed/i);
    const log = await release.kubectl(['logs', `${release.fullname}-test`]);
    expect(log).toMatch(/^Dray does not work: .*key/m);
  });
});
