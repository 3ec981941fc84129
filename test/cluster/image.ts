/** The image of the tests, as an archive that every container runtime can load. */
import { copyFileSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { writeArchive } from '../support/image-archive.js';

/** By the user 1000, as test/cluster/Dockerfile has it; and the same by root. */
export const imageName = 'dray.test/shell:1';
export const rootImageName = 'dray.test/shell-of-root:1';

const commands = ['sh', 'cat', 'echo', 'env', 'head', 'id', 'ls', 'mkdir', 'sleep', 'tr', 'wget'];

/** @param folder an empty one. @returns the path of the archive, which holds both. */
export async function makeArchive(folder: string): Promise<string> {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
  if (busybox === undefined) {
    throw new Error(
      'the image for tests is made of busybox-static, which is not installed; or set DRAY_TEST_IMAGE',
    );
  }
  const root = join(folder, 'root');
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev']) mkdirSync(join(root, name), { recursive: true });
  copyFileSync(busybox, join(root, 'bin/busybox'));
  for (const command of commands) symlinkSync('busybox', join(root, 'bin', command));
  const entrypoint = ['/bin/sh', '-c', 'eval "$SCRIPT"'];
  const same = { env: { PATH: '/bin' }, entrypoint };
  return writeArchive(folder, root, [
    { ...same, name: imageName, user: '1000:1000' },
    { ...same, name: rootImageName, user: '' },
  ]);
}
