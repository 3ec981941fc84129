/** The images that tests give to the chart: those that the nodes can pull, or such as are made of this machine. */
import { systemClock } from '../../src/clock.js';
import { version } from '../../src/config/version.js';
import { connect } from '../../src/kubernetes/api.js';
import { writeImages, type ImageOfLayers, type Layer } from '../support/image-archive.js';
import { loadArchives } from './archived-images.js';
import { drayImageNames, drayImages, drayTag } from './dray-images.js';
import { loadImage } from './load-image.js';
import { baseLayer, machineImage, tagOf } from './machine-image.js';
import { serverImages } from './server-images.js';

const { DRAY_TEST_REGISTRY, DRAY_TEST_TAG, DRAY_TEST_ARCHIVES, DRAY_TEST_PULL, DRAY_TEST_LOAD_IMAGE } =
  process.env;
/** Whether the nodes get others' images by themselves, rather than such as are made of this machine. */
export const pulled = DRAY_TEST_PULL !== undefined || DRAY_TEST_LOAD_IMAGE === undefined;
/** Of names that no registry has. */
export const nowhere = 'dray.test';

/** Values of the chart: images that each node has, or can pull. */
export interface ChartImages {
  readonly image: { readonly registry: string; readonly tag: string };
  readonly redis?: { readonly image: string };
  readonly rabbitmq?: { readonly image: string };
  readonly s3?: { readonly image: string };
}

/** Images of one making. */
export interface Wanted {
  readonly names: readonly string[];
  readonly make: (folder: string, base: Layer) => Promise<readonly ImageOfLayers[]>;
}

let made: Promise<ChartImages> | undefined;

/**
 * Loads what the nodes lack, once: a second run with the same sources finds all of it there within a second.
 * @throws Error where neither DRAY_TEST_LOAD_IMAGE nor DRAY_TEST_REGISTRY is set, or a program is not installed
 */
export function chartImages(): Promise<ChartImages> {
  return (made ??= find());
}

async function find(): Promise<ChartImages> {
  const wanted: Wanted[] = [];
  let image = { registry: DRAY_TEST_REGISTRY ?? nowhere, tag: DRAY_TEST_TAG ?? version };
  const own = DRAY_TEST_REGISTRY === undefined && DRAY_TEST_ARCHIVES === undefined;
  if (DRAY_TEST_ARCHIVES !== undefined) image = await loadArchives(DRAY_TEST_ARCHIVES, await imagesOfNodes());
  if (own) {
    image.tag = drayTag();
    const names = drayImageNames(image.registry, image.tag);
    wanted.push({ names, make: (folder, base) => drayImages(folder, base, names) });
  }
  const servers: Record<string, { readonly image: string }> = {};
  for (const [server, recipe] of Object.entries(serverImages)) {
    // That of S3 is one of Dray's.
    if (server === 's3' ? own : !pulled) {
      const machine = recipe();
      const name = `${nowhere}/${server}:${tagOf(machine)}`;
      servers[server] = { image: name };
      wanted.push({
        names: [name],
        make: async (folder, base) => [await machineImage({ folder, base, name, as: server, ...machine })],
      });
    }
  }
  await bringToNodes(wanted);
  return { image, ...servers };
}

/** Makes and loads what the nodes lack. */
export async function bringToNodes(wanted: readonly Wanted[]): Promise<void> {
  const present = await imagesOfNodes();
  const missing = wanted.filter(({ names }) => !names.every((name) => present.has(name)));
  if (missing.length > 0) {
    await loadImage(async (folder) => {
      const base = await baseLayer(folder);
      const images: ImageOfLayers[] = [];
      for (const { make } of missing) images.push(...(await make(folder, base)));
      return writeImages(folder, images);
    });
  }
}

/** Names that every node says it has. A node tells of its largest images, some seconds after it got them. */
async function imagesOfNodes(): Promise<ReadonlySet<string>> {
  interface Node {
    readonly status: { readonly images?: readonly { readonly names?: readonly string[] }[] };
  }
  const api = await connect({ namespace: 'default', clock: systemClock });
  try {
    const { items } = await api.get<{ items: readonly Node[] }>('/api/v1/nodes');
    const [first = new Set<string>(), ...others] = items.map(
      ({ status }) => new Set((status.images ?? []).flatMap(({ names = [] }) => names)),
    );
    return new Set([...first].filter((name) => others.every((names) => names.has(name))));
  } finally {
    api.close();
  }
}
