import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findVersions } from './model-folder.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-models-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a folder of models', () => {
  it('has the versions that are numbers, also those without a file', async () => {
    await mkdir(join(folder, 'a', '2'), { recursive: true });
    await mkdir(join(folder, 'a', '10'));
    await mkdir(join(folder, 'a', 'notes'));
    await mkdir(join(folder, '.hidden', '1'), { recursive: true });
    await writeFile(join(folder, 'a', '10', 'model.onnx'), 'x');
    await symlink('nowhere', join(folder, 'b'));
    const found = (await findVersions(folder)).map(({ model, version, stamp }) => [model, version, !!stamp]);
    expect(found.sort()).toEqual([
      ['a', 10, true],
      ['a', 2, false],
    ]);
  });

  it('that cannot be read in part is not said to have lost what is there', async () => {
    await mkdir(join(folder, 'a', '1'), { recursive: true });
    await symlink('loop', join(folder, 'loop'));
    await expect(findVersions(folder)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ELOOP') as unknown,
    });
  });
});
