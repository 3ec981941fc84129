/** Images for the nodes of the cluster, by the command of DRAY_TEST_LOAD_IMAGE. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** @param make writes an archive into an empty folder, and returns its path; or the paths of several. */
export async function loadImage(
  make: (folder: string) => Promise<string | readonly string[]>,
): Promise<void> {
  const load = process.env['DRAY_TEST_LOAD_IMAGE'];
  if (!load) {
    throw new Error(
      'set DRAY_TEST_LOAD_IMAGE, or name images that the nodes have: see test/cluster/README.md',
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'dray-image-'));
  try {
    for (const archive of [await make(folder)].flat())
      await promisify(execFile)('sh', ['-c', `${load} "$1"`, 'sh', archive], { timeout: 170_000 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
