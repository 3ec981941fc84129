// Writes deploy/kubernetes, which is rendered from the chart (`npm run chart` first). Needs helm.
// `--check` fails where a file is stale.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { folder, manifests } from './chart/manifests.mjs';

const check = process.argv.includes('--check');
try {
  const files = manifests();
  const there = readdirSync(folder, { recursive: true }).filter((name) => /\.(yaml|sha256)$/.test(name));
  const stale = Object.keys(files).filter((name) => !there.includes(name) || read(name) !== files[name]);
  const left = there.filter((name) => !(name in files));
  if (check) {
    for (const name of [...stale, ...left])
      console.error(`deploy/kubernetes/${name} is stale: run npm run manifests`);
    process.exitCode = stale.length + left.length > 0 ? 1 : 0;
  } else {
    for (const name of stale) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), files[name]);
    }
    for (const name of left) rmSync(join(folder, name));
  }
} catch (error) {
  if (error.code !== 'ENOENT' || error.syscall !== 'spawnSync helm') throw error;
  console.error('helm is not on the PATH: https://helm.sh/docs/intro/install');
  process.exitCode = 1;
}

function read(name) {
  return readFileSync(join(folder, name), 'utf8');
}
