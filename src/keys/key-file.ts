/** `keys.json` in the data folder: the keys' hashes, changed by `dray keys`, read by servers that run. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import { scopes, type KeyRecord } from './key.js';

export const keyFileName = 'keys.json';
const version = 1;
/** How long a change waits for another one, in ms. */
const patienceMs = 2_000;
const againMs = 50;

const KeyFile = Compile(
  Type.Object({
    version: Type.Literal(version),
    keys: Type.Array(
      Type.Object(
        {
          id: Type.String({ pattern: '^[0-9a-f]{12}$' }),
          name: Type.String(),
          scope: Type.Enum([...scopes]),
          hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
          createdAt: Type.String({ format: 'date-time' }),
          expiresAt: Type.Optional(Type.String({ format: 'date-time' })),
        },
        { additionalProperties: false },
      ),
    ),
  }),
);

/**
 * The keys of a file; none where there is no file.
 * @throws DrayError `unavailable` where the file is not what `dray keys` wrote: it must never be taken for empty.
 */
export async function readKeys(file: string): Promise<readonly KeyRecord[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return [];
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw unreadable(file, (error as Error).message);
  }
  if (KeyFile.Check(content)) return content.keys;
  const [misfit] = KeyFile.Errors(content);
  throw unreadable(file, `${misfit?.instancePath ?? ''} ${misfit?.message ?? 'does not fit'}`);
}

/**
 * Replaces the keys by what `change` makes of them. Readers see the old file or the new one, whole; both survive a
 * crash; only the owner may read them.
 */
export async function changeKeys(
  file: string,
  clock: Clock,
  change: (keys: readonly KeyRecord[]) => readonly KeyRecord[],
): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true });
  // The next file is the lock too: whoever made it may change the keys.
  const next = `${file}.next`;
  const handle = await openAlone(next, clock);
  try {
    const keys = change(await readKeys(file));
    await handle.writeFile(`${JSON.stringify({ version, keys }, undefined, 2)}\n`);
    await handle.sync();
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  const entries = await open(folder);
  await entries.sync().finally(() => entries.close());
}

async function openAlone(next: string, clock: Clock) {
  const until = clock.monotonic() + patienceMs;
  for (;;) {
    try {
      return await open(next, 'wx', 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (clock.monotonic() < until) await clock.sleep(againMs);
      else {
        throw new DrayError(
          'unavailable',
          `another dray changes the keys, or was killed while it did: if none runs, remove ${next}`,
        );
      }
    }
  }
}

function unreadable(file: string, why: string): DrayError {
  return new DrayError(
    'unavailable',
    `the keys in ${file} cannot be read (${why.trim()}): restore the file, or remove it and create new keys`,
  );
}
