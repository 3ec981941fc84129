/** The image of examples/bucket-image without Docker: what its Dockerfile says, on the interpreter of .venv. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { writeArchive } from './image-archive.js';
import { instructions } from './images.js';
import { root } from './sources.js';

export const python = join(root, '.venv/bin/python');
const example = join(root, 'examples/bucket-image');
const rootMaker = join(root, 'test/support/python-root.py');

/** True where .venv has what the examples and their tests need: `node scripts/setup.mjs --python` installs it. */
export function pythonIsReady(): boolean {
  return spawnSync(python, ['-c', 'import minio, pika, pytest'], { stdio: 'ignore' }).status === 0;
}

/**
 * @param folder an empty one, in which some 250 MB are written.
 * @returns the path of an archive with the image under this name.
 */
export async function makeBucketImage(folder: string, name: string): Promise<string> {
  const home = join(folder, 'root');
  const packages = readFileSync(join(example, 'requirements.txt'), 'utf8').match(/^[\w-]+/gm) ?? [];
  execFileSync(python, ['-B', rootMaker, home, ...packages], { stdio: 'inherit', timeout: 120_000 });
  const lines = instructions(join(example, 'Dockerfile'));
  for (const { word, rest } of lines) {
    if (word !== 'COPY') continue;
    const [to, ...sources] = rest.split(' ').reverse() as [string, ...string[]];
    mkdirSync(join(home, to), { recursive: true });
    for (const source of sources) cpSync(join(example, source), join(home, to, basename(source)));
  }
  const last = (word: string): string => lines.findLast((line) => line.word === word)!.rest;
  const [variable, value] = last('ENV').split('=') as [string, string];
  const image = {
    name,
    user: last('USER'),
    env: { PATH: '/usr/local/bin', [variable]: value },
    entrypoint: JSON.parse(last('ENTRYPOINT')) as string[],
  };
  return writeArchive(folder, home, [image]);
}
