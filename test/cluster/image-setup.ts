/** Once per run: gives the cluster the image of the tests, where DRAY_TEST_IMAGE names none that it has. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeArchive } from './image.js';

export default async function setup(): Promise<void> {
  const { KUBECONFIG, DRAY_TEST_IMAGE, DRAY_TEST_LOAD_IMAGE } = process.env;
  if (!KUBECONFIG || DRAY_TEST_IMAGE) return;
  if (!DRAY_TEST_LOAD_IMAGE) {
    throw new Error('set DRAY_TEST_LOAD_IMAGE or DRAY_TEST_IMAGE: see test/cluster/README.md');
  }
  const folder = mkdtempSync(join(tmpdir(), 'dray-image-'));
  try {
    const command = `${DRAY_TEST_LOAD_IMAGE} "$1"`;
    const archive = await makeArchive(folder);
    execFileSync('sh', ['-c', command, 'sh', archive], { stdio: 'inherit', timeout: 170_000 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
