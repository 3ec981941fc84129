/** Images without a registry and without Docker: archives, as `docker save` writes them, that every runtime can load. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface ImageOfRoot {
  readonly name: string;
  /** '' for root. */
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
}

/**
 * @param folder where the archive goes, and what it is made of.
 * @param root the file system of the images, which differ in all else.
 * @returns the path of the archive.
 */
export async function writeArchive(
  folder: string,
  root: string,
  images: readonly ImageOfRoot[],
): Promise<string> {
  const layer = join(folder, 'layer.tar');
  execFileSync('tar', ['--owner=0', '--group=0', '-C', root, '-cf', layer, '.']);
  const hash = createHash('sha256');
  await pipeline(createReadStream(layer), hash);
  const digest = hash.digest('hex');
  const files = images.map((_, index) => `image-${index}.json`);
  for (const [index, { user, env, entrypoint }] of images.entries()) {
    const config = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {
        User: user,
        Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
        Entrypoint: entrypoint,
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    };
    writeFileSync(join(folder, files[index]!), JSON.stringify(config));
  }
  const manifest = images.map(({ name }, index) => ({
    Config: files[index],
    RepoTags: [name],
    Layers: ['layer.tar'],
  }));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(folder, 'image.tar');
  execFileSync('tar', ['-C', folder, '-cf', archive, 'manifest.json', 'layer.tar', ...files]);
  return archive;
}
