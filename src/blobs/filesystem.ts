/**
 * Blobs as files of one folder, which several processes may open at the same time.
 *
 *     tmp/<id>            being written
 *     tmp/<writer>/<id>   being written by a process that has a name
 *     <shelf>/<id>        published: the bytes, then a footer (filesystem/footer.ts)
 *
 * A shelf is the first digits of the UUIDv7, 17 minutes each: ids in order are shelves in order, and no shelf
 * grows too large to list. A damaged file cannot be read and has no stat, but is listed and can be deleted.
 */
import { closeSync, fstatSync, openSync, renameSync, statSync, utimesSync } from 'node:fs';
import { mkdir, readdir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import { madeAt } from '../jobs/retention.js';
import {
  blobIdShape,
  checkMediaType,
  checkRange,
  noSuchBlob,
  type BlobInfo,
  type BlobStore,
  type BlobWriter,
} from './blob-store.js';
import { isMissing, makeDurableFolder, readFully, storageError, syncFolder } from './filesystem/files.js';
import { footerSize, readFooter } from './filesystem/footer.js';
import { GroupedSync } from './filesystem/grouped-sync.js';
import { FileBlobWriter } from './filesystem/writer.js';

const shelfDigits = 7;
const shelfName = /^[0-9a-f]{7}$/;
const chunkSize = 1024 * 1024;
/** Files that are asked for their size at the same time. */
const statsAtOnce = 16;
/** Shelves whose folder is known to be durable; beyond this the oldest is forgotten and made sure of again. */
const knownShelves = 16;

/**
 * @param cleanTemporary removes what dead writers left. Only for the one process that owns the folder, and
 * before any other has it open: a live writer would lose its file.
 * @param writer a name for this process: what it is writing lies apart, for `clear` when it has died.
 * @throws DrayError `storage-full`.
 */
export async function openFilesystemBlobs(params: {
  folder: string;
  clock: Clock;
  cleanTemporary?: boolean;
  writer?: string;
}): Promise<BlobStore> {
  const folder = resolve(params.folder);
  const temporary = temporaryFolder(folder, params.writer);
  try {
    await makeDurableFolder(folder);
    if (params.cleanTemporary === true) await clean(folder);
    await mkdir(temporary, { recursive: true });
    await syncFolder(folder);
  } catch (error) {
    throw storageError(error);
  }
  return new FilesystemBlobs(folder, temporary, params.clock);
}

function temporaryFolder(folder: string, writer = ''): string {
  return join(folder, 'tmp', writer);
}

async function clean(folder: string): Promise<void> {
  await rm(join(folder, 'tmp'), { recursive: true, force: true });
  for (const shelf of await shelvesOf(folder)) {
    // Fails, as it should, for a shelf that holds anything.
    await rmdir(join(folder, shelf)).catch(() => undefined);
  }
}

async function shelvesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && shelfName.test(entry.name))
    .map((entry) => entry.name)
    .sort();
}

class FilesystemBlobs implements BlobStore {
  readonly #folder: string;
  readonly #temporary: string;
  readonly #clock: Clock;
  readonly #writers = new Set<BlobWriter>();
  readonly #shelves = new Map<string, Promise<GroupedSync>>();

  constructor(folder: string, temporary: string, clock: Clock) {
    this.#folder = folder;
    this.#temporary = temporary;
    this.#clock = clock;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- other stores have to ask their server
  async create({ mediaType }: { mediaType: string }): Promise<BlobWriter> {
    checkMediaType(mediaType);
    const id = this.#clock.id();
    const path = join(this.#temporary, id);
    const writer: BlobWriter = new FileBlobWriter({
      id,
      mediaType,
      path,
      publish: (...args) => this.#publish(...args),
      ended: () => this.#writers.delete(writer),
    });
    this.#writers.add(writer);
    return writer;
  }

  async stat({ id }: { id: string }): Promise<BlobInfo | undefined> {
    try {
      const { file, info } = await this.#open(id);
      closeSync(file);
      return info;
    } catch (error) {
      if (error instanceof DrayError && error.code === 'blob-not-found') return undefined;
      throw error;
    }
  }

  async readInto(params: { id: string; offset: number; target: Uint8Array }): Promise<void> {
    const { id, offset, target } = params;
    const { file, info } = await this.#open(id);
    try {
      checkRange(info, offset, offset + target.length);
      if (!(await readFully(file, target, offset))) throw damaged(id);
    } finally {
      closeSync(file);
    }
  }

  async *read(params: { id: string; start?: number; end?: number }): AsyncGenerator<Uint8Array> {
    const { file, info } = await this.#open(params.id);
    try {
      const { start = 0, end = info.size } = params;
      checkRange(info, start, end);
      for (let at = start; at < end; at += chunkSize) {
        const chunk = Buffer.allocUnsafeSlow(Math.min(chunkSize, end - at));
        if (!(await readFully(file, chunk, at))) throw damaged(params.id);
        yield chunk;
      }
    } finally {
      closeSync(file);
    }
  }

  async list({ after = '', limit }: { after?: string; limit: number }): Promise<readonly string[]> {
    const ids: string[] = [];
    for (const shelf of await shelvesOf(this.#folder)) {
      if (ids.length >= limit) break;
      if (shelf < after.slice(0, shelfDigits)) continue;
      const names = await readdir(join(this.#folder, shelf));
      const found = names.filter((name) => blobIdShape.test(name) && name.startsWith(shelf) && name > after);
      for (const id of found.sort().slice(0, limit - ids.length)) ids.push(id);
    }
    return ids;
  }

  async usage(): Promise<number> {
    let bytes = 0;
    for (const shelf of await shelvesOf(this.#folder)) {
      const names = await readdir(join(this.#folder, shelf));
      for (let at = 0; at < names.length; at += statsAtOnce) {
        const some = names.slice(at, at + statsAtOnce).map((name) => sizeOf(join(this.#folder, shelf, name)));
        for (const size of await Promise.all(some)) bytes += size;
      }
    }
    return bytes;
  }

  /**
   * A time of change that lies ahead says how long the blob is kept: it costs no file, and every process sees it.
   * Like the look before a deletion it is a direct call, so that within a process nothing comes in between.
   */
  // eslint-disable-next-line @typescript-eslint/require-await -- other stores have to ask their server
  async keep({ id, forMs }: { id: string; forMs: number }): Promise<boolean> {
    if (!blobIdShape.test(id)) return false;
    try {
      const now = this.#clock.now();
      utimesSync(this.#pathOf(id), now / 1_000, (now + forMs) / 1_000);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** A crash right after may bring the blob back. */
  async delete({ id, unlessKept = false }: { id: string; unlessKept?: boolean }): Promise<boolean> {
    if (!blobIdShape.test(id)) return false;
    try {
      let path = this.#pathOf(id);
      if (unlessKept) {
        if (statSync(path).mtimeMs > this.#clock.now()) return false;
        // Gone in the same turn, while the removal of a large file may take long.
        const aside = join(this.#temporary, id);
        renameSync(path, aside);
        path = aside;
      }
      await unlink(path);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async clear(of: { writer: string } | { begunBefore: number }): Promise<void> {
    if ('writer' in of) {
      await rm(temporaryFolder(this.#folder, of.writer), { recursive: true, force: true });
      return;
    }
    // Few: what is committed leaves this folder at once, and what is aborted is removed.
    for (const path of await readdir(join(this.#folder, 'tmp'), { recursive: true })) {
      const id = basename(path);
      if (!blobIdShape.test(id) || madeAt(id) >= of.begunBefore) continue;
      // Fails, as it should, for the folder of a writer, which may be alive and is named by such an id too.
      await unlink(join(this.#folder, 'tmp', path)).catch(() => undefined);
    }
  }

  async link({ id }: { id: string }): Promise<undefined> {
    if ((await this.stat({ id })) === undefined) throw noSuchBlob(id);
    return undefined;
  }

  createLink(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  commitLink({ id }: { id: string }): Promise<never> {
    return Promise.reject(noSuchBlob(id));
  }

  /** Aborts what is not committed. */
  async close(): Promise<void> {
    await Promise.all([...this.#writers].map((writer) => writer.abort()));
  }

  #pathOf(id: string): string {
    return join(this.#folder, id.slice(0, shelfDigits), id);
  }

  /** Directly, as its few bytes are in the system's cache or soon are: four visits to the thread pool cost more. */
  async #open(id: string): Promise<{ file: number; info: BlobInfo }> {
    if (!blobIdShape.test(id)) throw noSuchBlob(id);
    let file: number;
    try {
      file = openSync(this.#pathOf(id), 'r');
    } catch (error) {
      throw isMissing(error) ? noSuchBlob(id) : error;
    }
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.allocUnsafe(footerSize);
      const whole = size >= footerSize && (await readFully(file, bytes, size - footerSize));
      const footer = whole ? readFooter(bytes, size) : undefined;
      if (footer === undefined) throw damaged(id);
      return { file, info: { id, ...footer } };
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  async #publish(id: string, temporary: string, data?: Promise<void>): Promise<void> {
    const shelf = await this.#shelf(id.slice(0, shelfDigits));
    const path = this.#pathOf(id);
    renameSync(temporary, path); // direct: a visit to the thread pool costs several times as much
    try {
      await Promise.all([shelf.sync(), data]);
    } catch (error) {
      // Not known to be durable, so it must not be readable either.
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Resolves once the shelf's folder exists durably, whichever process made it. */
  #shelf(name: string): Promise<GroupedSync> {
    const known = this.#shelves.get(name);
    if (known !== undefined) return known;
    const path = join(this.#folder, name);
    const shelf = mkdir(path, { recursive: true })
      .then(() => syncFolder(this.#folder))
      .then(() => new GroupedSync(() => syncFolder(path)));
    this.#shelves.set(name, shelf);
    shelf.catch(() => this.#shelves.delete(name));
    for (const oldest of this.#shelves.keys()) {
      if (this.#shelves.size <= knownShelves) break;
      this.#shelves.delete(oldest);
    }
    return shelf;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0; // deleted meanwhile
    throw error;
  }
}

function damaged(id: string): DrayError {
  return new DrayError('blob-not-found', `The file of blob ${id} is damaged: it is not as it was written.`);
}
