/** The page at `/` in a real browser, against a real server. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { act, submit } from '../support/api.js';
import { Browser, findBrowser, type Page } from '../support/browser.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

const name = findBrowser();
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ['--max-executors', '1'] });
});
afterAll(() => server.stop());

describe('the files of the page', () => {
  it('allow nothing but what the server itself sends, and no script in the page', async () => {
    const response = await fetch(`${server.url}/`);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy')!.split('; ');
    expect(policy).toEqual(
      expect.arrayContaining(["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]),
    );
    expect(policy.join()).not.toMatch(/unsafe|\*|https?:|data:/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.text()).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=|https?:\/\//);
  });

  it('are not sent again as long as they are the same', async () => {
    const etag = (await fetch(`${server.url}/page.js`)).headers.get('etag')!;
    const again = await fetch(`${server.url}/page.js`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    const other = await fetch(`${server.url}/page.js`, { headers: { 'if-none-match': '"other"' } });
    expect(other.status).toBe(200);
  });
});

/** `node scripts/setup.mjs --browser` installs one. */
describe.skipIf(name === undefined)('the page', () => {
  let browser: Browser;
  let page: Page;
  beforeAll(() => {
    browser = new Browser(name!);
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    page = await browser.open(`${server.url}/`);
    await page.text('#link', (state) => state === 'live');
  });
  afterEach(async () => {
    await page.close();
    expect(page.complaints).toEqual([]);
  });

  const rowOf = (id: string) => `#jobs tr:has([title="${id}"])`;
  const gone = async (id: string): Promise<void> => {
    await act(server.url, id, 'cancel');
    await page.text(rowOf(id), (text) => text.includes('cancelled'));
  };

  it('says what to do where there are no jobs, and shows every type and the worker', async () => {
    expect(await page.text('#no-jobs')).toContain('dray submit');
    expect(await page.text('#queues')).toMatch(/echo 0 0 0 0 0 – matmul/);
    expect(await page.text('#workers')).toMatch(/:\d+ 0 of 1 default 1 process, \d+ MB/);
  });

  it('follows a job by itself, with its progress', async () => {
    const { id } = await submit(server.url, 'sleep', { seconds: 60 });
    await page.text(rowOf(id), (text) => text.startsWith('in-progress sleep'));
    const fraction = () => page.value(`document.querySelector('${rowOf(id)} progress').value`);
    await eventually(fraction, (value) => (value as number) > 0);
    expect(await page.text('#queues tr:nth-child(3)')).toMatch(/^sleep 0 1 /);
    expect(await page.text('#workers')).toContain('1 of 1');
    await gone(id);
    await page.text('#queues tr:nth-child(3)', (text) => /^sleep 0 0 0 0 1 /.test(text));
  });

  it('shows a paused type', async () => {
    await fetch(`${server.url}/v1/queues/echo/pause`, { method: 'POST' });
    const { id } = await submit(server.url, 'echo', {}); // an event that makes the page look
    await page.text('#queues tr:first-child', (text) => text.startsWith('echo paused 1 0'));
    await fetch(`${server.url}/v1/queues/echo/resume`, { method: 'POST' });
    await page.text(rowOf(id), (text) => text.startsWith('completed'));
    await page.text('#queues tr:first-child', (text) => text.startsWith('echo 0 0 1'));
  });

  it('shows what clients have written as text, whatever it is', async () => {
    const concurrencyKey = '"><img src=x onerror="window.taken=1"><script>window.taken=2</script>';
    const first = await submit(server.url, 'sleep', { seconds: 60 }, { concurrencyKey });
    const second = await submit(server.url, 'sleep', { seconds: 60 }, { concurrencyKey });
    await page.text(rowOf(second.id), (text) => text.includes(`waits for a place of key ${concurrencyKey}`));
    expect(await page.value('document.querySelectorAll("main img, main script").length')).toBe(0);
    expect(await page.value('window.taken')).toBeUndefined();
    await gone(second.id);
    await gone(first.id);
  });

  it('is used with the keyboard, whose place stays while rows come', async () => {
    const { id } = await submit(server.url, 'echo', {});
    await page.text(rowOf(id), (text) => text.startsWith('completed'));
    const focused = () => page.value('document.activeElement.title || document.activeElement.innerText');
    const passed: unknown[] = [];
    for (let turn = 0; turn < 20 && passed.at(-1) !== id; turn++) {
      await page.press('Tab');
      passed.push(await focused());
    }
    expect(passed.slice(0, 4)).toEqual(['API', 'OpenAPI', 'Metrics', 'Scale']);
    const other = await submit(server.url, 'echo', {});
    await page.text(rowOf(other.id), (text) => text.startsWith('completed'));
    expect(await focused()).toBe(id);
    await page.press('Enter');
    await page.text('body', (text) => text.includes(`"id":"${id}"`));
  });

  it('goes on by polling where it gets no events', async () => {
    await page.send('Network.enable');
    await page.send('Network.setBlockedURLs', { urls: ['*/v1/events'] });
    await page.send('Page.reload');
    await page.text('#link', (state) => state === 'up to date');
    const { id } = await submit(server.url, 'echo', {});
    await page.text(rowOf(id), (text) => text.startsWith('completed'));
    expect(await page.text('#link')).toBe('up to date');
  });

  it('fits the screen of a phone', async () => {
    await page.look(360, 740, 'dark');
    const { id } = await submit(server.url, 'echo', {}, { labels: { team: 'x'.repeat(200) } });
    await page.text(rowOf(id), (text) => text.startsWith('completed'));
    const width = await page.value('document.documentElement.scrollWidth');
    expect(width).toBeLessThanOrEqual(360);
    const failing = await submit(server.url, 'sleep', { seconds: 0, failTimes: 1, failWith: 'permanent' });
    await page.text(rowOf(failing.id), (text) => text.includes('failed as told'));
    const roomOf = (selector: string) =>
      page.value(`document.querySelector('${selector}').getBoundingClientRect().width`);
    expect(await roomOf(`${rowOf(failing.id)} .note`)).toBeGreaterThan(300);
  });

  it('says that the server is away, and goes on when it is back', async () => {
    const own = await startServer();
    const { url, data } = own;
    const { id } = await submit(url, 'echo', {});
    const watching = await browser.open(`${url}/`);
    await watching.text(rowOf(id), (text) => text.startsWith('completed'));
    await own.kill();
    await watching.text('#link', (state) => state === 'no answer');
    expect(await watching.text('#notice')).toMatch(
      /does not answer; trying again\. This is how it was at \d/,
    );
    expect(await watching.text(rowOf(id))).toContain('completed');
    const back = await startServer({ data, args: ['--port', new URL(url).port] });
    await watching.text('#link', (state) => state === 'live');
    expect(await watching.text('#notice')).toBe('');
    const later = await submit(url, 'echo', {});
    await watching.text(rowOf(later.id), (text) => text.startsWith('completed'));
    expect(watching.complaints).toEqual([]);
    await back.stop();
    await own.stop();
  });
});
