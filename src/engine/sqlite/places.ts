/** The places of keys: how many jobs of one key may run at a time, and who gets the next one. */
import { heldPlace, type Step } from './counters.js';
import { statusNumbers } from './rows.js';
import type { Statements } from './statements.js';

export interface Key {
  readonly type: string;
  readonly key: string;
}

/** Keys, each once: type and name may hold any character, so no separator would tell all of them apart. */
export class KeySet {
  readonly #keys = new Map<string, Key>();

  add(type: string, key: string | null): void {
    if (key !== null) this.#keys.set(JSON.stringify([type, key]), { type, key });
  }

  /** Gives all of them, and is empty afterwards. */
  takeAll(): Key[] {
    const all = [...this.#keys.values()];
    this.#keys.clear();
    return all;
  }
}

/** More held jobs of a key than this are not let go in one transaction, which bounds how long others wait for it. */
const mostAtOnce = 1_000;

export class Places {
  readonly #sql: Statements;
  /**
   * Keys that had more free places than are filled at once. Only a matter of haste: should one be forgotten, by a
   * restart say, then each end of its many released jobs fills its places too.
   */
  readonly #unfilled = new KeySet();

  constructor(sql: Statements) {
    this.#sql = sql;
  }

  /**
   * Fills the free places of a key with its held jobs. How many are taken is counted each time, so it may be
   * called at any moment and as often as one likes.
   *
   * @returns the steps of the jobs that got a place.
   */
  fill({ type, key }: Key, now: number): Step[] {
    const places = this.#sql.placesOf.get({ type, key })?.places ?? Infinity;
    const free = places - this.#sql.placesTaken.get({ type, key })!.taken;
    if (free <= 0) return [];
    const next = this.#sql.nextHeld.all({ type, key, limit: Math.min(free, mostAtOnce) });
    if (next.length === 0) return [];
    if (next.length === mostAtOnce) this.#unfilled.add(type, key);
    const seqs = JSON.stringify(next.map(({ seq }) => seq));
    const jobs = this.#sql.letGo.all({ seqs, now });
    return jobs.map((job) => ({ ...job, from: heldPlace, to: statusNumbers.pending }));
  }

  /** The keys to go on with. */
  takeUnfilled(): Key[] {
    return this.#unfilled.takeAll();
  }
}
