/** Dray's own images from dist/ and node_modules, as deploy/docker/Dockerfile makes them, without a builder. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { writeLayer, type ImageOfLayers, type Layer } from '../support/image-archive.js';
import { image as imageOfDockerfile } from '../support/images.js';
import { root } from '../support/sources.js';
import { machineImage, tagOf, type MachineImage } from './machine-image.js';

const components = ['api', 'controller', 'worker'] as const;
const scripts = [
  'package.json',
  'deploy/docker/healthcheck.mjs',
  'deploy/docker/prepare.mjs',
  'scripts/services/bucket.mjs',
];
/** Of all three, so that the nodes keep it once: the largest part is the worker's BLAS. */
const machine = (): MachineImage => ({
  packages: ['libopenblas0-pthread', 'tini'],
  programs: { node: process.execPath },
  user: '1000:1000',
  entrypoint: [],
  folders: ['keys'],
});

export const drayImageNames = (registry: string, tag: string): readonly string[] =>
  components.map((component) => `${registry}/dray-${component}:${tag}`);

/** The same for the same sources, packages and machine. */
export function drayTag(): string {
  const hash = createHash('sha256').update(tagOf(machine()));
  for (const file of ['package-lock.json', 'deploy/docker/Dockerfile', ...scripts, ...program()])
    hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 12);
}

/** @returns the images of API, controller and worker, whose layers are in the folder. */
export async function drayImages(
  folder: string,
  base: Layer,
  names: readonly string[],
): Promise<readonly ImageOfLayers[]> {
  const below = await machineImage({ folder, base, name: '', as: 'node', ...machine() });
  const packages = await writeLayer(folder, 'packages', [{ from: root, paths: packageFiles(), to: 'app' }]);
  const app = await writeLayer(folder, 'app', [{ from: root, paths: [...scripts, ...program()], to: 'app' }]);
  return components.map((component, index) => {
    const { env, entrypoint, command } = imageOfDockerfile(component);
    return {
      name: names[index]!,
      user: below.user,
      env: { ...below.env, ...env },
      entrypoint,
      command,
      workingDir: '/app',
      layers: [...below.layers, packages, app],
    };
  });
}

function program(): readonly string[] {
  if (!existsSync(join(root, 'dist/main.js'))) throw new Error('there is no dist/: run npm run build');
  return readdirSync(join(root, 'dist'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.map'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** What `npm ci --omit=dev` installs, but for binaries of other platforms. */
function packageFiles(): readonly string[] {
  interface Lock {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  }
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
  const own = `/prebuilds/${process.platform}-${process.arch}/`;
  const ownRuntime = `/${process.platform}/${process.arch}/`;
  return Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && existsSync(join(root, path)))
    .flatMap(([path]) => filesOf(path))
    .filter((path) => !path.includes('/prebuilds/') || path.includes(own))
    .filter((path) => !path.includes('/onnxruntime-node/bin/') || path.includes(ownRuntime))
    .sort();
}

/** Of this package, and of none that is nested in it. */
function filesOf(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return entry.name === 'node_modules' ? [] : filesOf(path);
  });
}
