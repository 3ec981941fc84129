/**
 * Installs the peers, once: bench/.venv with those in Python, and the packages of peers/bullmq. A stamp inside of
 * each says whether it is up to date. Also runs by itself: `node bench/peers/setup.mjs`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const venv = here('../.venv');
const requirements = here('./requirements.txt');
const stamp = `${venv}/requirements.txt`;

/** The Python that has numpy, orjson, FastAPI, uvicorn and Celery. Needs a package index the first time. */
export function python() {
  const wanted = readFileSync(requirements, 'utf8');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    console.error('Installing the Python peers into bench/.venv …');
    rmSync(venv, { recursive: true, force: true });
    try {
      execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
    } catch (cause) {
      throw new Error('python3 with venv is missing: on Debian, apt-get install python3-venv', { cause });
    }
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
    execFileSync(`${venv}/bin/python`, pip, { stdio: 'inherit' });
    writeFileSync(stamp, wanted);
  }
  return `${venv}/bin/python`;
}

/** The packages of the BullMQ peer, which are none of Dray's own. Needs a package registry the first time. */
export function bullmq() {
  const folder = here('./bullmq/');
  const wanted = readFileSync(`${folder}package.json`, 'utf8');
  const installed = `${folder}node_modules/installed.json`;
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return;
  console.error('Installing BullMQ into bench/peers/bullmq …');
  const options = ['--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'];
  execFileSync('npm', ['install', ...options], { cwd: folder, stdio: 'inherit' });
  writeFileSync(installed, wanted);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(python());
  bullmq();
}
