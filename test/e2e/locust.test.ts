/** loadtest/locustfile.py by real locust against a real server: its checks of every answer must all hold. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { readExposition } from '../support/exposition.js';
import { startServer, type TestServer } from '../support/server.js';
import { root } from '../support/sources.js';

const locust = join(root, '.venv/bin/locust');

/** The fields of a CSV text by the names in its head; quoted fields may hold commas, quotes and lines' ends. */
function readCsv(text: string): Record<string, string>[] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (end === '' && quoted === undefined && plain === '') break; // what is left behind the last line's end
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end !== ',') rows.push([]);
  }
  const [head, ...body] = rows.filter((row) => row.length > 0);
  return body.map((row) => Object.fromEntries(head!.map((name, i) => [name, row[i]!])));
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** `node scripts/setup.mjs --python` installs locust. */
describe.skipIf(!existsSync(locust))('the load test', () => {
  let server: TestServer;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dray-locust-'));
    server = await startServer({ args: ['--models', join(root, 'models')] });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('finds every answer of all families and of the model right, and leaves no job behind', async () => {
    const csv = join(folder, 'run');
    const child = spawn(
      locust,
      [
        ...['-f', join(root, 'loadtest/locustfile.py'), '-H', server.url, '--headless', '--only-summary'],
        ...['-u', '20', '-r', '20', '-t', '20s', '--csv', csv, '--exit-code-on-error', '1'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code, output).toBe(0);

    const statistics = readCsv(readFileSync(`${csv}_stats.csv`, 'utf8'));
    const requests = (type: string, name: string): number =>
      Number(statistics.find((row) => row['Type'] === type && row['Name'] === name)?.['Request Count'] ?? 0);
    for (const [type, name] of [
      ['GET', '/convert/'],
      ['POST', '/v1/models/celsiusify:predict'],
      ['POST', '/matrix-multiplication/submit-job/'],
      ['POST', '/matrix_multiplication/'],
      ['JOB', '/matrix_multiplication/ until completed'],
      ['POST', '/jobs'],
      ['JOB', '/jobs until complete'],
    ] as const)
      expect(requests(type, name), `${type} ${name}\n${output}`).toBeGreaterThan(0);
    expect(statistics.map((row) => row['Failure Count']).filter((count) => count !== '0')).toEqual([]);
    expect(readCsv(readFileSync(`${csv}_failures.csv`, 'utf8'))).toEqual([]);

    const jobs = await eventually(
      async () => {
        const scraped = readExposition(await (await fetch(`${server.url}/metrics`)).text());
        return scraped.get('dray_jobs')!.samples.filter(({ value }) => value > 0);
      },
      (left) =>
        left.every(({ labels }) => !['scheduled', 'pending', 'in-progress'].includes(labels['status']!)),
    );
    expect(new Set(jobs.map(({ labels }) => labels['status']))).toEqual(new Set(['completed']));
    const completed = jobs.reduce((sum, { value }) => sum + value, 0);
    const submitted =
      requests('POST', '/matrix-multiplication/submit-job/') +
      requests('POST', '/matrix_multiplication/') +
      requests('POST', '/jobs');
    expect(completed).toBeGreaterThanOrEqual(submitted); // users who are stopped may not have seen their last answer
  }, 120_000);

  it('has the same load in the fields of its web page, and runs by its button', async () => {
    const port = await freePort();
    const args = ['-f', join(root, 'loadtest/locustfile.py'), '-H', server.url, 'ConvertUser'];
    const child = spawn(locust, [...args, '--web-host', '127.0.0.1', '--web-port', String(port)], {
      stdio: 'ignore',
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    const closed = once(child, 'close');
    const at = async (path: string, form?: Record<string, string>): Promise<string> => {
      const body = form && { method: 'POST', body: new URLSearchParams(form) };
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, body);
      return answer.text();
    };
    try {
      const page = await eventually(
        () => at('/').catch(() => ''),
        (text) => text !== '',
      );
      for (const field of ['"num_users": 100', '"spawn_rate": 100', '"run_time": 300'])
        expect(page).toContain(field);
      const started = await at('/swarm', { user_count: '5', spawn_rate: '5', run_time: '1m' });
      expect(JSON.parse(started)).toMatchObject({ success: true });
      const read = async (): Promise<{ stats: { num_requests: number; num_failures: number }[] }> =>
        JSON.parse(await at('/stats/requests')) as Awaited<ReturnType<typeof read>>;
      const { stats } = await eventually(read, (now) => (now.stats.at(-1)?.num_requests ?? 0) > 20);
      expect(stats.at(-1)!.num_failures).toBe(0);
    } finally {
      child.kill('SIGTERM');
      await closed;
    }
  });
});
