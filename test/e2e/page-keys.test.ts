/** The page in a real browser, of a server that needs a key. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser, findBrowser } from '../support/browser.js';
import { main, startServer, type TestServer } from '../support/server.js';

const name = findBrowser();
describe.skipIf(name === undefined)('the page behind a key', () => {
  const data = mkdtempSync(join(tmpdir(), 'dray-page-keys-'));
  let server: TestServer;
  let browser: Browser;
  let key: string;
  beforeAll(async () => {
    key = execFileSync(process.execPath, [main, 'keys', 'create', '--scope', 'read', '--data', data], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    server = await startServer({ data });
    browser = new Browser(name!);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
    rmSync(data, { recursive: true });
  });

  it('asks for it once, and is live then', async () => {
    const page = await browser.open('about:blank');
    let asked = 0;
    browser.listen(({ method, params }) => {
      const { requestId } = (params ?? {}) as { requestId?: string };
      if (method === 'Fetch.requestPaused') void page.send('Fetch.continueRequest', { requestId });
      if (method !== 'Fetch.authRequired') return;
      asked += 1;
      const authChallengeResponse = { response: 'ProvideCredentials', username: 'any', password: key };
      void page.send('Fetch.continueWithAuth', { requestId, authChallengeResponse });
    });
    await page.send('Fetch.enable', { handleAuthRequests: true });
    await page.send('Page.navigate', { url: `${server.url}/` });
    await page.text('#link', (text) => text === 'live');
    await page.close();
    expect({ asked, complaints: page.complaints }).toEqual({ asked: 1, complaints: [] });
  });
});
