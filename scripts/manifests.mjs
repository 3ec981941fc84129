// Writes what is copied from and to the chart: the servers' settings into it, deploy/kubernetes out of it. Needs helm.
// `--check` fails where a file is stale.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { folder, manifests } from './chart/manifests.mjs';

const check = process.argv.includes('--check');
const deploy = fileURLToPath(new URL('../deploy', import.meta.url));

if (!check) {
  for (const name of ['redis.conf', 'rabbitmq.conf'])
    copyFileSync(join(deploy, 'services', name), join(deploy, 'helm/dray/files', name));
}
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
