/**
 * What a deployment is called by what outlives it, such as its containers: chance, kept beside its jobs. An address
 * would not do: others may have the same one in a network of their own, and the same server has several.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../blobs/filesystem/files.js';
import type { Clock } from '../clock.js';
import type { ClusterEngine } from '../engine/cluster/index.js';
import { DrayError } from '../jobs/errors.js';
import type { Log } from '../log.js';

export const identityFileName = 'deployment';
/** How long Redis is waited for, and how often it is asked, in ms. */
const patienceMs = 60_000;
const againMs = 1_000;

/** 16 hex digits. */
function newIdentity(clock: Clock): string {
  return clock.token().slice(0, 16);
}

/**
 * Of a data folder: made the first time, and there after any crash.
 * @param folder nobody else uses it.
 * @throws DrayError `unavailable` where the file holds something else: what was started by its name would be lost.
 */
export async function identityInFolder(folder: string, clock: Clock): Promise<string> {
  const file = join(folder, identityFileName);
  const known = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (known !== undefined) {
    if (/^[0-9a-f]{16}\n$/.test(known)) return known.trim();
    throw new DrayError(
      'unavailable',
      `${file} is not what dray wrote: restore it, or remove it and the containers that dray has started`,
    );
  }
  const identity = newIdentity(clock);
  const next = await open(`${file}.next`, 'w', 0o600);
  try {
    await next.writeFile(`${identity}\n`);
    await next.sync();
  } finally {
    await next.close();
  }
  await rename(`${file}.next`, file);
  await syncFolder(folder);
  return identity;
}

/**
 * Of the processes that share a Redis and a prefix.
 * @throws DrayError `unavailable` where Redis is away for a minute.
 */
export async function identityOf(
  { fleet }: Pick<ClusterEngine, 'fleet'>,
  { clock, log }: { clock: Clock; log: Log },
): Promise<string> {
  const otherwise = newIdentity(clock);
  const until = clock.monotonic() + patienceMs;
  for (let asked = 1; ; asked += 1) {
    try {
      return await fleet.identity({ otherwise });
    } catch (error) {
      const away = error instanceof DrayError && error.code === 'unavailable';
      if (!away || clock.monotonic() > until) throw error;
      if (asked === 1) log.warn('container jobs wait for Redis, which has the name of the deployment');
      await clock.sleep(againMs);
    }
  }
}
