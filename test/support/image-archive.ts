/** Images without a registry and without Docker: archives, as `docker save` writes them, that every runtime can load. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface ImageOfRoot {
  readonly name: string;
  /** '' for root. */
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly workingDir?: string;
}

export interface ImageOfLayers extends ImageOfRoot {
  /** From the lowest. */
  readonly layers: readonly Layer[];
}

/** A tar in the folder of the archive; the same for several images where they share it. */
export interface Layer {
  readonly file: string;
  readonly digest: string;
}

/** One source of a layer's files: those `below`, or the given `paths` alone, under `to` in the image. */
export interface Part {
  readonly from: string;
  readonly paths?: readonly string[];
  readonly to?: string;
}

/** The same files make the same layer, whoever they belong to and whenever they were written. */
const reproducible = [
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--mtime=@0',
  '--mode=ug-s',
  '--sort=name',
];

/** Writes a layer of all the parts into the folder of the archive. */
export async function writeLayer(folder: string, name: string, parts: readonly Part[]): Promise<Layer> {
  const file = `${name}.tar`;
  const path = join(folder, file);
  for (const [index, { from, paths, to = '' }] of parts.entries()) {
    const moved = to === '' ? [] : [`--transform=flags=rSh;s,^(\\./)?,${to}/,x`];
    const args = [...reproducible, ...moved, '-C', from, index === 0 ? '-cf' : '-rf', path];
    const named = ['--no-recursion', '--null', '--verbatim-files-from', '-T', '-'];
    execFileSync('tar', paths ? [...args, ...named] : [...args, '.'], { input: paths?.join('\0') ?? '' });
  }
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { file, digest: hash.digest('hex') };
}

/** @returns the path of an archive with these images, in the folder that has their layers. */
export function writeImages(folder: string, images: readonly ImageOfLayers[]): string {
  const files = images.map((_, index) => `image-${index}.json`);
  for (const [index, image] of images.entries()) {
    const config = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {
        User: image.user,
        Env: Object.entries(image.env).map(([name, value]) => `${name}=${value}`),
        Entrypoint: image.entrypoint,
        ...(image.command && { Cmd: image.command }),
        ...(image.workingDir !== undefined && { WorkingDir: image.workingDir }),
      },
      rootfs: { type: 'layers', diff_ids: image.layers.map(({ digest }) => `sha256:${digest}`) },
    };
    writeFileSync(join(folder, files[index]!), JSON.stringify(config));
  }
  const manifest = images.map(({ name, layers }, index) => ({
    Config: files[index],
    RepoTags: [name],
    Layers: layers.map(({ file }) => file),
  }));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(folder, 'image.tar');
  const layers = new Set(images.flatMap((image) => image.layers.map(({ file }) => file)));
  execFileSync('tar', ['-C', folder, '-cf', basename(archive), 'manifest.json', ...layers, ...files], {
    cwd: folder,
  });
  return archive;
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
  const layers = [await writeLayer(folder, 'layer', [{ from: root }])];
  return writeImages(
    folder,
    images.map((image) => ({ ...image, layers })),
  );
}
