/** Dray's images as users get them: archives that `npm run images -- --archive` has made. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { loadImage } from './load-image.js';

const components = ['api', 'controller', 'worker', 's3'] as const;

export interface NamedImages {
  readonly registry: string;
  readonly tag: string;
}

/**
 * Loads those that the nodes lack, by their names: a tag has to change with what is in the images.
 * @param present names of images that all nodes have.
 */
export async function loadArchives(folder: string, present: ReadonlySet<string>): Promise<NamedImages> {
  const archives = components.map((component) => {
    const path = join(folder, `dray-${component}.tar`);
    const manifest = execFileSync('tar', ['-xOf', path, 'manifest.json'], { encoding: 'utf8' });
    const [{ RepoTags }] = JSON.parse(manifest) as [{ readonly RepoTags: readonly [string] }];
    const [, registry = '', tag = ''] = /^(?:(.+)\/)?dray-\w+:([^:]+)$/.exec(RepoTags[0]) ?? [];
    return { path, name: RepoTags[0], registry, tag };
  });
  await loadImage(() =>
    Promise.resolve(archives.filter(({ name }) => !present.has(name)).map(({ path }) => path)),
  );
  const [{ registry, tag } = { registry: '', tag: '' }] = archives;
  return { registry, tag };
}
