/** The keys as a running server knows them: it follows the file, so that a change needs no restart. */
import { timingSafeEqual } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { CancelTimer, Clock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import { readKeys } from './key-file.js';
import { hashOf, idOf, type KeyRecord, type Scope } from './key.js';

/** How often the file is looked at, in ms: a revoked key works for so long. */
const lookMs = 1_000;

export interface Key {
  readonly id: string;
  readonly scope: Scope;
}

interface Known extends Key {
  readonly hash: Buffer;
  /** In ms since the epoch. */
  readonly expiresAt: number;
}

export interface KeyringParams {
  readonly file: string;
  readonly clock: Clock;
  /** Told of a file that cannot be read; the keys stay as they were. */
  readonly onError: (error: unknown) => void;
}

export class Keyring {
  readonly #params: KeyringParams;
  #keys: ReadonlyMap<string, Known> = new Map();
  #everAny = false;
  /** Of the file that was read last. */
  #stamp = '';
  #looking = false;
  #stopLooking: CancelTimer | undefined;

  private constructor(params: KeyringParams) {
    this.#params = params;
  }

  /** @throws DrayError `unavailable` where the file cannot be read. */
  static async open(params: KeyringParams): Promise<Keyring> {
    const keyring = new Keyring(params);
    await keyring.#look();
    return keyring;
  }

  /**
   * True where there is a key, or was one since the start. Revoking the last key, letting it expire or losing the
   * file must shut everyone out, not let everyone in.
   */
  get everAny(): boolean {
    return this.#everAny;
  }

  /** The key of this text; undefined where it is unknown, revoked or has expired. */
  find(text: string): Key | undefined {
    const id = idOf(text);
    const key = id === undefined ? undefined : this.#keys.get(id);
    // In constant time, so that how long a refusal takes tells nothing about the hash.
    if (key === undefined || !timingSafeEqual(hashOf(text), key.hash)) return undefined;
    return this.#params.clock.now() < key.expiresAt ? key : undefined;
  }

  start(): void {
    const look = (): void => {
      if (this.#looking) return;
      this.#looking = true;
      void this.#look()
        .catch(this.#params.onError)
        .finally(() => (this.#looking = false));
    };
    look(); // the file may have changed since it was opened
    this.#stopLooking ??= this.#params.clock.every(lookMs, look);
  }

  stop(): void {
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }

  async #look(): Promise<void> {
    const stamp = await stampOf(this.#params.file);
    if (stamp === this.#stamp) return;
    const records = await readKeys(this.#params.file).catch((error: unknown) => {
      // What is in a broken file is told of once. One that may not be read is tried again: rights leave no new stamp.
      if (error instanceof DrayError) this.#stamp = stamp;
      throw error;
    });
    this.#stamp = stamp;
    this.#keys = new Map(records.map((record) => [record.id, known(record)]));
    this.#everAny ||= records.length > 0;
  }
}

function known({ id, scope, hash, expiresAt }: KeyRecord): Known {
  return {
    id,
    scope,
    hash: Buffer.from(hash, 'hex'),
    expiresAt: expiresAt === undefined ? Infinity : Date.parse(expiresAt),
  };
}

/** A changed file is another one, with another inode, whatever its time and size; no file has a stamp too. */
async function stampOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
