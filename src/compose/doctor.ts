/** Checks of the promises: of a data folder that no server has open, and of a deployment's records. */
import { join, resolve } from 'node:path';
import { openFilesystemBlobs } from '../blobs/filesystem.js';
import { systemClock } from '../clock.js';
import { parseBlobsAddress } from '../config/blobs-address.js';
import { checkInvariants as checkRecords } from '../engine/cluster/invariants.js';
import { damageOf } from '../engine/sqlite/database.js';
import { checkInvariants } from '../engine/sqlite/invariants.js';
import type { InvariantReport } from '../jobs/invariants.js';
import { openBlobs } from './blobs.js';

/** @throws DrayError `unavailable` where the folder has no database, or a server has it open; `data-damaged`. */
export async function checkFolder(data: string): Promise<InvariantReport> {
  const folder = resolve(data);
  const blobs = await openFilesystemBlobs({ folder: join(folder, 'blobs'), clock: systemClock });
  const file = join(folder, 'jobs.sqlite');
  try {
    return await checkInvariants({ file, hasBlob: async (id) => (await blobs.stat({ id })) !== undefined });
  } catch (error) {
    throw damageOf(error, file) ?? error;
  } finally {
    await blobs.close();
  }
}

/**
 * Of a deployment, whose processes may go on meanwhile.
 * @param params.blobs where they are; what a job needs of them is not looked for where that is not given.
 * @throws DrayError `invalid-request` or `unavailable` where an address cannot be used.
 */
export async function checkDeployment(params: {
  state: string;
  prefix: string;
  blobs?: string;
}): Promise<InvariantReport> {
  const { state, prefix, blobs: address } = params;
  const log = { info: () => undefined, warn: () => undefined };
  if (address === undefined)
    return checkRecords({ state, prefix, log, hasBlob: () => Promise.resolve(true) });
  const blobs = await openBlobs(parseBlobsAddress(address), { clock: systemClock });
  try {
    const hasBlob = async (id: string): Promise<boolean> => (await blobs.stat({ id })) !== undefined;
    return await checkRecords({ state, prefix, log, hasBlob });
  } finally {
    await blobs.close();
  }
}
