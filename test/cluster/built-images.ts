/** Dray's images by `npm run images`: those that users get, which take a minute or more after each change. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { filesBelow, root } from '../support/sources.js';
import { loadImage } from './load-image.js';

const names = ['api', 'controller', 'worker', 's3'] as const;
const single = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.mjs',
];

/** The same for the same sources. */
export function builtTag(): string {
  const files = [
    ...single,
    ...['src', 'deploy/docker', 'scripts/images'].flatMap((at) => filesBelow(at, '')),
  ];
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 12);
}

/**
 * Builds and loads those that the nodes lack.
 * @param words arguments of `npm run images`, with spaces between them.
 * @param present names of images that all nodes have.
 */
export async function bringBuilt(
  { registry, tag }: { readonly registry: string; readonly tag: string },
  words: string,
  present: ReadonlySet<string>,
): Promise<void> {
  const missing = names.filter((name) => !present.has(`${registry}/dray-${name}:${tag}`));
  if (missing.length === 0) return;
  await loadImage(async (folder) => {
    const where = ['--registry', registry, '--tag', tag, '--archive', folder, '--json'];
    const args = ['--only', missing.join(','), ...where, ...words.split(' ').filter(Boolean)];
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(root, 'scripts/images.mjs'),
      ...args,
    ]);
    const { images } = JSON.parse(stdout) as { readonly images: readonly { readonly archive: string }[] };
    return images.map(({ archive }) => archive);
  });
}
