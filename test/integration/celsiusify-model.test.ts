/** The committed model of models/celsiusify against the formula, in both runtimes, and its files against their digests. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { root } from '../support/sources.js';

const folder = join(root, 'models/celsiusify');
/** `node scripts/setup.mjs --tensorflow` makes the environment; too large for every machine. */
const python = join(root, 'models/.venv/bin/python');

describe('the model of Celsiusify', () => {
  it('is made of the files whose digests were noted when it was trained', () => {
    const noted = readFileSync(join(folder, 'digests.txt'), 'utf8').trim().split('\n');
    const there = readdirSync(join(folder, '1'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => `${digestOf(file)}  ${file.slice(folder.length + 1)}`);
    expect(there.sort()).toEqual(noted.sort());
  });

  it('misses the formula by less than 0.001 degrees from -500 to 1,500 in ONNX Runtime', async () => {
    const session = await ort.InferenceSession.create(join(folder, '1/model.onnx'));
    const given = Float32Array.from({ length: 200_001 }, (_, at) => -500 + at / 100);
    const { celsius } = await session.run({
      fahrenheit: new ort.Tensor('float32', given, [given.length, 1]),
    });
    expect(celsius!.dims).toEqual([given.length, 1]);
    const missed = Array.from(celsius!.data as Float32Array, (value, at) =>
      Math.abs(value - ((given[at]! - 32) * 5) / 9),
    );
    expect(missed.reduce((worst, one) => Math.max(worst, one), 0)).toBeLessThan(1e-3);
    await session.release();
  });

  it.skipIf(!existsSync(python))(
    'passes its own tests, in TensorFlow and ONNX Runtime for Python',
    async () => {
      const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', folder];
      const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
      const { stdout } = await promisify(execFile)(python, args, { env });
      expect(stdout).toMatch(/^\d+ passed/m);
    },
    300_000,
  );
});

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
