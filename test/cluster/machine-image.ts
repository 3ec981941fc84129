/** Images of what this machine has installed, for clusters that reach no registry. */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { debianFiles } from '../support/debian-root.js';
import { writeLayer, type ImageOfLayers, type ImageOfRoot, type Layer } from '../support/image-archive.js';

/** What makes an image, but for its name. */
export interface MachineImage extends Omit<ImageOfRoot, 'name' | 'env'> {
  /** Beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Debian's, with what they depend on. */
  readonly packages?: readonly string[];
  /** Packages that these say they depend on, and do without. */
  readonly without?: readonly string[];
  /** Files of this machine that can be run, by their name in /usr/local/bin. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Empty ones. Everybody may write into them, since nobody knows as whom the image will run. */
  readonly folders?: readonly string[];
}

/** A shell, what scripts expect beside it, and what most programs load. */
const basePackages = [
  ...['base-files', 'bash', 'coreutils', 'dash', 'findutils', 'grep'],
  ...['libc-bin', 'libstdc++6', 'mawk', 'procps', 'sed'],
];
const path = '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const accounts = ['root:x:0:0:root:/:/bin/sh', 'server:x:999:999::/:/bin/sh', 'node:x:1000:1000::/:/bin/sh'];

/** The same for the same packages, programs and settings: a tag that needs no image to be made. */
export function tagOf(image: MachineImage): string {
  const hash = createHash('sha256').update(JSON.stringify(image));
  hash.update(debianFiles(basePackages).identity);
  hash.update(debianFiles(image.packages ?? [], image.without).identity);
  for (const program of Object.values(image.programs ?? {})) hash.update(readFileSync(program));
  return hash.digest('hex').slice(0, 12);
}

export interface MachineImagePlace {
  /** Of the archive that it will be part of. */
  readonly folder: string;
  readonly base: Layer;
  /** Of its own layer, in the folder. */
  readonly as: string;
  readonly name: string;
}

export async function machineImage({
  folder,
  base,
  as,
  name,
  packages = [],
  without = [],
  programs = {},
  folders = [],
  env = {},
  ...config
}: MachineImagePlace & MachineImage): Promise<ImageOfLayers> {
  const own = join(folder, as);
  mkdirSync(join(own, 'usr/local/bin'), { recursive: true });
  for (const [program, file] of Object.entries(programs)) {
    copyFileSync(file, join(own, 'usr/local/bin', program));
    chmodSync(join(own, 'usr/local/bin', program), 0o755);
  }
  for (const made of folders) {
    mkdirSync(join(own, made), { recursive: true });
    chmodSync(join(own, made), 0o777);
  }
  const below = new Set(debianFiles(basePackages).paths);
  const paths = debianFiles(packages, without).paths.filter((file) => !below.has(file));
  const layer = await writeLayer(folder, as, [{ from: '/', paths }, { from: own }]);
  return { ...config, name, env: { PATH: path, ...env }, layers: [base, layer] };
}

/** What all images of a machine have; the nodes keep it once. */
export function baseLayer(folder: string): Promise<Layer> {
  const etc = join(folder, 'identities/etc');
  mkdirSync(etc, { recursive: true });
  writeFileSync(join(etc, 'passwd'), `${accounts.join('\n')}\n`);
  writeFileSync(
    join(etc, 'group'),
    accounts.map((line) => `${line.split(':')[0]!}:x:${line.split(':')[3]!}:\n`).join(''),
  );
  return writeLayer(folder, 'base', [
    { from: '/', paths: debianFiles(basePackages).paths },
    { from: dirname(etc) },
  ]);
}
