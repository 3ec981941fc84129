/** What the operating system's files need besides node:fs: whole reads and writes, and durable folders. */
import { fsync, open, read, readSync, write, closeSync, fdatasync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { DrayError, isDiskFull } from '../../jobs/errors.js';

/** One call to the system takes at most 2 GiB. */
const largestCall = 256 * 1024 * 1024;

/** By descriptor, not by FileHandle: closing is a call of microseconds, not a visit to the thread pool. */
export const openFile = promisify(open);
export const syncData = promisify(fdatasync);
const syncAll = promisify(fsync);
const readSome = promisify(read);
const writeSome = promisify(write);

/** Reads up to this size are taken directly from the system's cache, which is cheaper than the thread pool. */
const directRead = 256 * 1024;

/** Writes all of `bytes`, also where the system takes them in parts. */
export async function writeFully(file: number, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(bytes.length - done, largestCall);
    done += (await writeSome(file, bytes, done, length, position + done)).bytesWritten;
  }
}

/** Fills `target`; false where the file ends before. */
export async function readFully(file: number, target: Uint8Array, position: number): Promise<boolean> {
  let done = 0;
  while (done < target.length) {
    const length = Math.min(target.length - done, largestCall);
    const bytesRead =
      length <= directRead
        ? readSync(file, target, done, length, position + done)
        : (await readSome(file, target, done, length, position + done)).bytesRead;
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** Makes the entries of a folder durable: without it a crash may undo a rename into it. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await openFile(path, 'r');
  try {
    await syncAll(folder);
  } finally {
    closeSync(folder);
  }
}

/** Makes the folder and all that lack above it; they outlast a crash. */
export async function makeDurableFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  const top = dirname(first);
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    await syncFolder(folder);
    if (folder === top || folder === dirname(folder)) return;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** The error to throw for one of the file system: a full disk has a code of its own. */
export function storageError(error: unknown): unknown {
  if (!isDiskFull(error)) return error;
  return new DrayError('storage-full', 'There is no room on the disk for the data.', { cause: error });
}
