/** The README's tour, run as it stands. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/sources.js';
import { startServer, type TestServer } from '../support/server.js';

const venv = join(root, '.venv/bin');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const steps = [...readme.matchAll(/<!-- tour(: numpy)? -->\n+```sh\n([\s\S]*?)```/g)].map(
  ([, numpy, script]) => ({
    needsNumpy: numpy !== undefined,
    script: script!,
  }),
);
const expected = [
  /"status":"completed"/,
  /^\[\[19,22\],\[43,50\]\]/,
  /2000 × 2000|2000×2000/,
  /^[\d.e-]+$/m,
  /"type":"matmul"/,
  /sleep/,
  /workers? wanted/,
];

let server: TestServer;
let folder: string;
beforeAll(async () => {
  server = await startServer();
  folder = mkdtempSync(join(tmpdir(), 'dray-readme-'));
  // The tour leaves files behind: it runs beside the checkout, with what it needs of it.
  for (const name of ['package.json', 'node_modules', 'dist', 'clients'])
    symlinkSync(join(root, name), join(folder, name));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
});

describe('the README', () => {
  it('has the steps that are looked for here', () => {
    expect(steps).toHaveLength(expected.length);
  });

  for (const [i, { script, needsNumpy }] of steps.entries()) {
    it.skipIf(needsNumpy && !existsSync(join(venv, 'python3')))(
      `is true in step ${i + 1} of its tour`,
      () => {
        const output = execFileSync(
          'bash',
          ['-euo', 'pipefail', '-c', script.replaceAll('http://127.0.0.1:8080', server.url)],
          {
            cwd: folder,
            encoding: 'utf8',
            env: { ...process.env, DRAY_SERVER: server.url, PATH: `${venv}:${process.env['PATH'] ?? ''}` },
            stdio: ['ignore', 'pipe', 'pipe'],
          },
        );
        expect(output).toMatch(expected[i]!);
      },
    );
  }
});
