import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/demo.mjs', import.meta.url));

it(
  'the demo shows what it promises, ends with 0 and leaves nothing behind',
  { timeout: 180_000 },
  async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'dray-demo-test-'));
    try {
      const child = spawn(process.execPath, [script, '--exit'], {
        env: { ...process.env, TMPDIR: temporary },
      });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number | null];
      expect({ code, output }).toMatchObject({ code: 0 });
      expect(output.match(/^ok +a /gm)).toHaveLength(4);
      expect(output).toContain('executor-crashed');
      expect(await readdir(temporary)).toEqual([]);
    } finally {
      await rm(temporary, { recursive: true });
    }
  },
);
