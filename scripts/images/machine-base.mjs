/**
 * A base image where no registry can be reached: Debian by debootstrap, this machine's Node and npm, and the
 * certificate authorities that this machine trusts. Needs root, and a mirror of Debian.
 */
import { cpSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { output } from './tools.mjs';

const release = 'bookworm';
/** Its version is part of the name: another Node makes another image. */
const name = `localhost/dray-machine-base:${release}-node${process.versions.node}`;

/**
 * Once: what the tool has under its name is not made again.
 * @param {Awaited<ReturnType<import('./tools.mjs').findTool>>} tool
 * @param {readonly string[]} more arguments of each build
 * @returns {Promise<string>} its name
 */
export async function machineBase(tool, more) {
  if (await tool.exists(name)) return name;
  const folder = mkdtempSync(join(tmpdir(), 'dray-base-'));
  try {
    const root = join(folder, 'root');
    console.error(`making ${name} of this machine, which takes a minute`);
    await output('debootstrap', ['--variant=minbase', '--include=ca-certificates', release, root]).catch(
      (error) => {
        throw new Error(
          `debootstrap: ${error.message}\nA base image needs root, and: apt-get install debootstrap`,
          { cause: error },
        );
      },
    );
    const node = realpathSync(process.execPath);
    cpSync(node, join(root, 'usr/local/bin/node'));
    const modules = join(root, 'usr/local/lib/node_modules');
    cpSync(join(dirname(node), '../lib/node_modules/npm'), join(modules, 'npm'), { recursive: true });
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
    const bundle = '/etc/ssl/certs/ca-certificates.crt';
    cpSync(bundle, join(root, bundle), { dereference: true });
    for (const path of ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc'])
      rmSync(join(root, path), { recursive: true, force: true });
    await output('tar', ['-C', root, '--numeric-owner', '-cf', join(folder, 'root.tar'), '.']);
    rmSync(root, { recursive: true });
    writeFileSync(
      join(folder, 'Dockerfile'),
      `FROM scratch
ADD root.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_EXTRA_CA_CERTS=${bundle}
`,
    );
    await tool.build([...more, '--tag', name, folder]);
    return name;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
