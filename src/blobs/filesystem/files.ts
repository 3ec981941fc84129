/** What the operating system's files need besides node:fs: whole reads and writes, and durable folders. */
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DrayError, isDiskFull } from '../../jobs/errors.js';

/** One call to the system takes at most 2 GiB. */
const largestCall = 256 * 1024 * 1024;

/** Writes all of `bytes`, also where the system takes them in parts. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(bytes.length - done, largestCall);
    done += (await file.write(bytes, done, length, position + done)).bytesWritten;
  }
}

/** Fills `target`; false where the file ends before. */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<boolean> {
  let done = 0;
  while (done < target.length) {
    const length = Math.min(target.length - done, largestCall);
    const { bytesRead } = await file.read(target, done, length, position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** Makes the entries of a folder durable: without it a crash may undo a rename into it. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
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
