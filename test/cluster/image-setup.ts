/** Once per run: gives the cluster the image of the tests, where DRAY_TEST_IMAGE names none that it has. */
import { makeArchive } from './image.js';
import { loadImage } from './load-image.js';

export default async function setup(): Promise<void> {
  const { KUBECONFIG, DRAY_TEST_IMAGE } = process.env;
  if (KUBECONFIG && !DRAY_TEST_IMAGE) await loadImage(makeArchive);
}
