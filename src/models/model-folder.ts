/** A folder of models as TensorFlow Serving has it: `<folder>/<model>/<version>/model.onnx`. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DrayError } from '../jobs/errors.js';

export interface FoundVersion {
  readonly model: string;
  readonly version: number;
  readonly file: string;
  /** Differs where the file is another one; undefined where there is none. */
  readonly stamp: string | undefined;
}

export const modelFile = 'model.onnx';
/** What a path of a request can name. */
const modelName = /^[^./:][^/:]{0,127}$/;
/** TensorFlow Serving takes leading zeros too. */
const versionName = /^\d{1,15}$/;

/** @throws DrayError `unavailable` where the folder cannot be read. */
export async function findVersions(folder: string): Promise<FoundVersion[]> {
  try {
    const models = await foldersIn(folder);
    const found = await Promise.all(models.filter((name) => modelName.test(name)).map(versionsOf));
    return found.flat();
  } catch (error) {
    throw new DrayError('unavailable', `--models: ${(error as Error).message}`, { cause: error });
  }

  async function versionsOf(model: string): Promise<FoundVersion[]> {
    const names = (await foldersIn(join(folder, model)).catch(unlessGone)) ?? [];
    const wanted = names.filter((name) => versionName.test(name));
    return Promise.all(
      // Of several that are the same number, one.
      [...new Map(wanted.map((name) => [Number(name), name]))].map(async ([version, name]) => {
        const file = join(folder, model, name, modelFile);
        const { size, mtimeMs, ino } = (await stat(file).catch(unlessGone)) ?? {};
        const stamp = size === undefined ? undefined : `${size}-${mtimeMs}-${ino}`;
        return { model, version, file, stamp };
      }),
    );
  }
}

/** Links to folders too: that is how volumes of Kubernetes and deployments by link look. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map(({ name }) => name)
    .sort();
}

/** It is no folder or file, or was removed since it was listed. What cannot be read now is not said to be gone. */
function unlessGone(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
}
