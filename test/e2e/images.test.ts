/** `npm run images` as far as it needs nothing that builds: what it refuses, and what it says where nothing can. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/sources.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dray-images-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function images(...args: readonly string[]): { status: number | null; stderr: string } {
  const env = { ...process.env, PATH: folder };
  return spawnSync(process.execPath, [join(root, 'scripts/images.mjs'), ...args], { encoding: 'utf8', env });
}

describe('npm run images', () => {
  it.each([
    [['--only', 'api,ui'], 'No such image: ui. There are: api, controller, worker, s3, tf-serving.'],
    [['--push'], '--push needs --registry'],
    [['--gzip'], '--gzip is for --archive'],
    [['--tag', 'no tag'], '--tag no tag is none that an image can have'],
    [['--registry', 'https://registry.example'], 'without https://'],
    [['--tool', 'make'], '--tool make is none of docker, podman, buildah'],
    [['--machine-base', '--node-image', 'node'], 'give one of them'],
    [['--tf-serving-image', 'tensorflow/serving'], '--tf-serving-image is for --tf-serving'],
    [['--minio', '/nowhere/minio'], '--minio /nowhere/minio is not there'],
    [['--colour'], "Unknown option '--colour'"],
  ])('refuses %j', (args, message) => {
    const { status, stderr } = images(...args);
    expect(stderr).toContain(message);
    expect(stderr).toContain('npm run images [--');
    expect(status).toBe(2);
  });

  it('tells what each tool lacks and what to do, where none can build', () => {
    const { status, stderr } = images();
    expect(stderr).toContain('docker: is not installed');
    expect(stderr).toContain('buildah: is not installed');
    expect(stderr).toContain('apt-get install buildah');
    expect(status).toBe(1);
  });
});

describe('the packages of the images', () => {
  it('are without what no program reads, and with their licences', () => {
    const modules = join(folder, 'node_modules');
    const write = (path: string): void => {
      mkdirSync(join(modules, dirname(path)), { recursive: true });
      writeFileSync(join(modules, path), '');
    };
    const kept = [
      ...['one/index.js', 'one/LICENSE.md', 'one/lib/test/used.js', 'one/data.json'],
      ...[
        `one/prebuilds/${process.platform}-${process.arch}/x.node`,
        '@scope/two/node_modules/three/index.js',
      ],
    ];
    const own = `onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}`;
    const apart = [
      `${own}/x.node`,
      `${own}/x.so.1`,
      'onnxruntime-node/dist/index.js',
      'onnxruntime-common/index.js',
    ];
    const taken = [
      ...[`${own}/libonnxruntime_providers_cuda.so`, 'onnxruntime-node/bin/napi-v6/beos/ppc/x.node'],
      ...['onnxruntime-node/script/install.js', 'adm-zip/index.js', 'global-agent/index.js'],
      ...['one/index.d.ts', 'one/index.js.map', 'one/README.md', 'one/test/index.js', 'one/src/native.cc'],
      ...['one/prebuilds/beos-ppc/x.node', '@scope/two/docs/index.html'],
      '@scope/two/node_modules/three/x.d.cts',
    ];
    for (const path of [...kept, ...apart, ...taken]) write(path);
    const runtime = join(folder, 'runtime');
    const args = [join(root, 'deploy/docker/prune.mjs'), modules, runtime];
    expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    const left = (where: string): string[] =>
      readdirSync(where, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(where.length + 1))
        .sort();
    expect(left(modules)).toEqual([...kept].sort());
    expect(left(runtime)).toEqual([...apart].sort());
  });
});
