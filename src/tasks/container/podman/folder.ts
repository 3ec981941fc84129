/**
 * The folder in which the program that minds a container works. Podman before 5 does not say of a container that it
 * was killed for its memory, but that program, conmon, leaves a file `oom` where it was started: here, and not in
 * whatever folder the server was started in.
 */
import { access, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mark = 'oom';

/** A new one that nobody else may look into. */
export function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'dray-container-'));
}

export async function tellsOutOfMemory(folder: string): Promise<boolean> {
  return access(join(folder, mark)).then(
    () => true,
    () => false,
  );
}

/** Never fails: what is left is an empty folder among temporary ones. */
export async function removeFolder(folder: string | undefined): Promise<void> {
  if (folder === undefined) return;
  await rm(join(folder, mark), { force: true }).catch(() => undefined);
  await rmdir(folder).catch(() => undefined);
}
