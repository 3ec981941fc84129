/**
 * Makes bench/.venv with the Python peers, once: a stamp of the requirements inside of it says whether it is
 * up to date. Also runs by itself: `node bench/peers/setup.mjs`.
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

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(python());
