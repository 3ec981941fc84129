/** Looks at the machine, the data folder and the server, as they are now, and says what to do about what is wrong. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { mkdtemp, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { serverAddress } from '../config/client.js';
import { environment } from '../config/environment.js';
import { availableMachine } from '../config/machine.js';
import type { Config } from '../config/options.js';
import { readConfig } from '../config/read-config.js';
import { openDatabase } from '../engine/sqlite/database.js';
import { inspectDatabase } from '../engine/sqlite/inspect.js';
import type { Finding } from '../jobs/diagnosis.js';
import { leastFree } from '../jobs/retention.js';
import { loadKernel } from '../tasks/matmul/kernel/load.js';
import { systemClock } from '../clock.js';
import { findAll, ok, size, warning, wrong, type Verdict } from './verdicts.js';

const oldestNode = [20, 19] as const;
/** Before this no version of Dray was made. */
const earliest = Date.UTC(2025, 0, 1);
const answerWithinMs = 3_000;
/** Of statfs(2): file systems that forget at a restart, and those on which SQLite's locks cannot be relied on. */
const inMemory = new Set([0x01021994, 0x858458f6]);
const network = new Set([0x6969, 0xff534d42, 0xfe534d42, 0x517b]);

/** Options of the server come from the environment, as a server started now would have them. */
export async function diagnose(params: { data: string; server?: string }): Promise<Finding[]> {
  const folder = resolve(params.data);
  const file = join(folder, 'jobs.sqlite');
  const config = (): Config => readConfig({ data: folder }, environment);
  return findAll({
    node: checkNode,
    clock: () => checkClock(folder),
    memory: () => checkMemory(config()),
    'matrix kernel': () => checkKernel(config().blas),
    folder: () => checkFolderRights(folder),
    disk: () => checkDisk(existing(folder), config().minFree),
    durability: () => checkDurability(existing(folder)),
    database: () => checkDatabase(file),
    server: () => checkServer(file, params.server),
  });
}

/** The folder, or the nearest one above that is there. */
function existing(folder: string): string {
  return existsSync(folder) ? folder : existing(dirname(folder));
}

export function checkNode(): Verdict {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
  const detail = `Node ${process.versions.node}`;
  return fits ? ok(detail) : wrong(detail, `Install Node ${oldestNode.join('.')} or newer.`);
}

function checkClock(folder: string): Verdict {
  const now = systemClock.now();
  const file = join(folder, 'jobs.sqlite');
  const written = existsSync(file) ? statSync(file).mtimeMs : 0;
  const detail = `it is ${new Date(now).toISOString()}`;
  const advice = 'Set the clock and keep it right, such as with chrony: retention and delays go by it.';
  if (now < earliest) return wrong(detail, advice);
  if (written > now + 60_000)
    return warning(`${detail}, and the database was written ${new Date(written).toISOString()}`, advice);
  return ok(detail);
}

function checkMemory({ maxExecutors, executorMemory }: Config): Verdict {
  const { memory } = availableMachine();
  const detail = `${maxExecutors} executors of ${size(executorMemory)} each, and ${size(memory)} in all`;
  if (maxExecutors * executorMemory <= memory) return ok(detail);
  return warning(
    detail,
    'Lower DRAY_MAX_EXECUTORS or DRAY_EXECUTOR_MEMORY, or the system may kill executors.',
  );
}

async function checkKernel(path: string | undefined): Promise<Verdict> {
  const { kernel, advice } = await loadKernel({ environment, path });
  return advice === undefined ? ok(kernel.name) : warning(kernel.name, advice);
}

function checkFolderRights(folder: string): Verdict {
  const there = existing(folder);
  try {
    accessSync(there, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return wrong(
      `${there} cannot be written by this user`,
      'Change its owner or rights, or give another --data.',
    );
  }
  if (there !== folder) return ok(`${folder} is made at the first start`);
  if ((statSync(folder).mode & 0o002) !== 0)
    return warning(`${folder} can be written by every user`, `Take that away: chmod o-w ${folder}`);
  return ok(folder);
}

async function checkDisk(folder: string, minFree: number | undefined): Promise<Verdict> {
  const { bsize, blocks, bfree, bavail } = await statfs(folder);
  const space = { free: bavail * bsize, used: (blocks - bfree) * bsize };
  const least = leastFree(space, minFree);
  const detail = `${size(space.free)} free of ${size(blocks * bsize)}`;
  if (space.free < least)
    return wrong(`${detail}; below ${size(least)} new jobs are refused`, 'Free space, or lower --min-free.');
  return space.free < 2 * least ? warning(detail, 'Free space soon.') : ok(detail);
}

/** Does once what the promises rest on, in a folder of its own: sync, rename, and a database with full syncs. */
async function checkDurability(folder: string): Promise<Verdict> {
  const { type } = await statfs(folder);
  const probe = await mkdtemp(join(folder, '.dray-doctor-'));
  try {
    const file = await open(join(probe, 'a'), 'w');
    await file.sync();
    await file.close();
    await rename(join(probe, 'a'), join(probe, 'b'));
    const entries = await open(probe, 'r');
    await entries.sync();
    await entries.close();
    openDatabase(join(probe, 'probe.sqlite')).close();
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
  if (inMemory.has(type))
    return warning('the folder is in memory: all jobs are lost at a restart', 'Give a --data on a disk.');
  if (network.has(type))
    return warning('the folder is on a network file system', 'Give a --data on a disk of this machine.');
  return ok('sync, rename, WAL and synchronous FULL work');
}

/** A database that a server has open is the server's. */
function checkDatabase(file: string): Verdict {
  const found = existsSync(file) ? inspectDatabase(file) : undefined;
  if (found === undefined) return ok('none yet');
  if (found === 'in use') return ok('a server has it open');
  if (found.damage !== undefined)
    return wrong(
      `damaged: ${found.damage}`,
      'Copy the folder first; then see data-damaged in docs/errors.md.',
    );
  return ok(`whole, ${size(found.bytes)}`);
}

async function checkServer(file: string, given: string | undefined): Promise<Verdict> {
  const address = serverAddress(given).href.replace(/\/?$/, '/'); // a proxy may have it below a path
  let response: Response;
  try {
    response = await fetch(new URL('readyz', address), { signal: AbortSignal.timeout(answerWithinMs) });
  } catch {
    const detail = `none answers at ${address}`;
    if (!existsSync(file) || inspectDatabase(file) !== 'in use') return ok(detail);
    return warning(`${detail}, but one has the folder open`, 'Name its address with --server.');
  }
  if (response.ok) return ok(`ready at ${address}`);
  return wrong(`${address} answers ${response.status} to /readyz`, 'See its log.');
}
