/** What is accepted is bounded, and a refusal says when to come back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { act, submit } from '../support/api.js';
import { eventually } from '../support/eventually.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;

describe('a full queue', () => {
  beforeAll(async () => {
    server = await startServer({
      args: ['--max-waiting', '3', '--min-executors', '0', '--max-executors', '1'],
    });
  });
  afterAll(() => server.stop());

  const post = () =>
    fetch(`${server.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'echo', input: {}, delayMs: 3_600_000 }),
    });
  const statusOfPost = async (): Promise<number> => (await post()).status;

  it('refuses jobs with 429 until there is room again, and leaves those that it has', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 3; index++)
      ids.push((await submit(server.url, 'echo', {}, { delayMs: 3_600_000 })).id);
    const full = await eventually(post, ({ status }) => status !== 202);
    expect(full.status).toBe(429);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await full.json()).toMatchObject({ code: 'queue-full' });

    const page = await fetch(`${server.url}/v1/jobs?status=scheduled&limit=1000`);
    const { jobs } = (await page.json()) as { jobs: { id: string }[] };
    expect(jobs.map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    for (const { id } of jobs) await act(server.url, id, 'cancel');
    expect(await eventually(statusOfPost, (status) => status !== 429)).toBe(202);
  });
});
