/** The examples, as their README says to run them. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/contract/job.js';
import { ended, submit } from '../support/api.js';
import { filesBelow, root } from '../support/sources.js';
import { startServer, type TestServer } from '../support/server.js';

const readme = readFileSync(join(root, 'examples/README.md'), 'utf8');
const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, script]) => script!);
const modules = blocks.flatMap((script) => /^npx dray serve --tasks (\S+)\n$/.exec(script)?.[1] ?? []);

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    args: ['--tasks', modules.map((file) => join(root, file)).join(), '--max-executors', '1'],
  });
});
afterAll(() => server.stop());

const run = promisify(execFile);

/** Runs the block of the README that submits jobs of the type, and gives what it prints. */
async function runBlock(type: string, replace: Readonly<Record<string, string>> = {}): Promise<string> {
  let script = blocks.find((block) => block.includes(`dray submit ${type}`))!;
  for (const [from, to] of Object.entries({ 'http://127.0.0.1:8080': server.url, ...replace })) {
    script = script.replaceAll(from, to);
  }
  const env = { ...process.env, DRAY_SERVER: server.url };
  return (await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: root, env })).stdout;
}

describe('the examples', () => {
  it('are all told of in their README', () => {
    expect(modules).toEqual(expect.arrayContaining(filesBelow('examples/tasks', '.js')));
  });

  it('count the words of a blob', async () => {
    expect(JSON.parse(await runBlock('word-count'))).toMatchObject({
      words: expect.any(Number) as unknown,
      top: expect.arrayContaining([{ word: 'the', count: expect.any(Number) as unknown }]) as unknown,
    });
  });

  it('sum up a CSV text', async () => {
    expect(JSON.parse(await runBlock('csv-summary'))).toEqual({
      rows: 2,
      columns: [
        { name: 'city', values: 2 },
        { name: 'degrees', values: 2, min: -3, max: 14, mean: 5.5 },
      ],
    });
  });

  it('fail for good on a CSV text whose rows differ, or whose quotes are wrong', async () => {
    for (const [csv, code] of Object.entries({ 'a,b\n1\n': 'ragged-csv', 'a"b,c\n': 'bad-csv' })) {
      const job = await submitted('csv-summary', { csv });
      expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code, permanent: true } });
    }
    const { result } = await submitted('csv-summary', { csv: '"a;""b""";c\n1;\n', separator: ';' });
    expect(result).toEqual({
      rows: 1,
      columns: [
        { name: 'a;"b"', values: 1, min: 1, max: 1, mean: 1 },
        { name: 'c', values: 0 },
      ],
    });
  });

  it('fill a letter', async () => {
    expect(JSON.parse(await runBlock('letter'))).toEqual({ text: 'Dear Ada, you owe us 3 €.' });
  });

  it('deliver a webhook again until it is taken, and not where it is refused', async () => {
    const received: { key: unknown; body: string }[] = [];
    const answers = [503, 200, 410];
    const receiver = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ key: request.headers['idempotency-key'], body });
        response.writeHead(answers[received.length - 1]!).end('noted');
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const { port } = receiver.address() as { port: number };
    try {
      const url = `http://127.0.0.1:${port}/hook`;
      const output = await runBlock('webhook', { 'http://127.0.0.1:9000/hook': url });
      expect(JSON.parse(output)).toEqual({ status: 200, attempts: 2 });
      expect(received[1]).toEqual({ key: received[0]!.key, body: '{"paid":3}' });
      expect(await submitted('webhook', { url, event: {} })).toMatchObject({
        status: 'failed',
        attempt: 1,
        error: { code: 'refused', permanent: true },
      });
    } finally {
      receiver.close();
    }
  });

  it('have a test of their own that passes', async () => {
    const script = blocks.find((block) => block.startsWith('node --test'))!;
    // What this runner has set for its own processes is not meant for that one.
    const env = { PATH: process.env['PATH'] };
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: root, env });
    expect(stdout).toMatch(/pass 4\n.*fail 0\n/);
  });
});

async function submitted(type: string, input: unknown): Promise<Job> {
  return ended(server.url, (await submit(server.url, type, input)).id);
}
