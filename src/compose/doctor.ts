/** Checks of the promises, of a data folder that no server has open. */
import { join, resolve } from 'node:path';
import { openFilesystemBlobs } from '../blobs/filesystem.js';
import { systemClock } from '../clock.js';
import { damageOf } from '../engine/sqlite/database.js';
import { checkInvariants } from '../engine/sqlite/invariants.js';
import type { InvariantReport } from '../jobs/invariants.js';

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
