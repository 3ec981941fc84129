/** The image of the tests, as an archive that every container runtime can load. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** By the user 1000, as test/cluster/Dockerfile has it; and the same by root. */
export const imageName = 'dray.test/shell:1';
export const rootImageName = 'dray.test/shell-of-root:1';

const commands = ['sh', 'cat', 'echo', 'env', 'head', 'id', 'ls', 'mkdir', 'sleep', 'tr', 'wget'];

/** @param folder an empty one. @returns the path of the archive, which holds both. */
export function makeArchive(folder: string): string {
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
  execFileSync('tar', ['--owner=0', '--group=0', '-C', root, '-cf', join(folder, 'layer.tar'), '.']);
  const digest = createHash('sha256')
    .update(readFileSync(join(folder, 'layer.tar')))
    .digest('hex');

  const images = [
    { name: imageName, user: '1000:1000', file: 'user.json' },
    { name: rootImageName, user: '', file: 'root.json' },
  ];
  for (const { user, file } of images) {
    const config = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { User: user, Env: ['PATH=/bin'], Entrypoint: ['/bin/sh', '-c', 'eval "$SCRIPT"'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    };
    writeFileSync(join(folder, file), JSON.stringify(config));
  }
  const manifest = images.map(({ name, file }) => ({
    Config: file,
    RepoTags: [name],
    Layers: ['layer.tar'],
  }));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(folder, 'image.tar');
  const parts = ['manifest.json', 'layer.tar', ...images.map(({ file }) => file)];
  execFileSync('tar', ['-C', folder, '-cf', archive, ...parts]);
  return archive;
}
