/** The SQL files, prepared. */
import { readFileSync } from 'node:fs';
import type { DatabaseSync } from '@photostructure/sqlite';
import { recordExpression, type Change, type CountedChange } from './rows.js';

export type Database = InstanceType<typeof DatabaseSync>;
type Value = string | number | null;

/**
 * One SQL file. Its named parameters are bound by position, which the library does twice as fast; the map
 * from names to positions is made here and nowhere else.
 */
export class Statement<P extends Readonly<Record<string, Value>>, R> {
  readonly #prepared: ReturnType<Database['prepare']>;
  readonly #names: readonly (keyof P)[];

  constructor(db: Database, text: string) {
    const names: string[] = [];
    const sql = text.replaceAll(/--.*$/gm, '').replaceAll(/:([a-z][a-zA-Z]*)/g, (_, name: string) => {
      names.push(name);
      return '?';
    });
    this.#prepared = db.prepare(sql);
    this.#names = names;
  }

  get(params: P): R | undefined {
    return this.#prepared.get(...this.#values(params)) as R | undefined;
  }

  all(params: P): R[] {
    return this.#prepared.all(...this.#values(params)) as R[];
  }

  run(params: P): void {
    this.#prepared.run(...this.#values(params));
  }

  #values(params: P): Value[] {
    const values: Value[] = [];
    for (const name of this.#names) {
      const value = params[name];
      if (value === undefined) throw new TypeError(`the SQL parameter ${String(name)} was not given`);
      values.push(value);
    }
    return values;
  }
}

/** The text of sql/<name>.sql, in which `$record` stands for the expression of a whole job. */
export function sqlText(name: string): string {
  const text = readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), 'utf8');
  return text.replaceAll('$record', recordExpression);
}

interface Read {
  readonly record: string;
}
interface Seq {
  readonly seq: number;
}
type Seqs = {
  /** JSON array. */
  readonly seqs: string;
};
type Key = { readonly type: string; readonly key: string };
type None = Readonly<Record<string, never>>;

/** What each file takes and returns; the files' headers say what they guarantee. */
export function prepareStatements(db: Database) {
  const prepare = <P extends Readonly<Record<string, Value>>, R>(name: string) =>
    new Statement<P, R>(db, sqlText(name));
  return {
    submit: prepare<
      {
        id: string;
        type: string;
        input: string | null;
        inputBlob: string | null;
        retry: string;
        timeoutMs: number;
        maxAttempts: number;
        work: number;
        priority: number;
        key: string | null;
        labels: string;
        projection: string | null;
        runAt: number | null;
        now: number;
      },
      never
    >('submit'),
    ready: prepare<{ type: string; priority: number; limit: number }, Seq & { readyAt: number }>('ready'),
    claim: prepare<
      { seqs: string; begun: string; worker: string; token: string; now: number; leaseUntil: number },
      Omit<CountedChange, 'status'> & Read & Seq
    >('claim'),
    heartbeat: prepare<
      { id: string; token: string; leaseUntil: number; progress: string | null; startedAt: number | null },
      Change
    >('heartbeat'),
    complete: prepare<
      {
        /** JSON array. */
        ends: string;
        now: number;
      },
      CountedChange
    >('complete'),
    fail: prepare<
      {
        id: string;
        token: string;
        error: string;
        runAt: number | null;
        peakMemory: number | null;
        ranMs: number;
        now: number;
      },
      CountedChange
    >('fail'),
    release: prepare<{ id: string; token: string; now: number }, CountedChange>('release'),
    cancel: prepare<{ id: string; now: number }, CountedChange>('cancel'),
    redrive: prepare<{ id: string; now: number }, CountedChange>('redrive'),
    releaseDue: prepare<{ now: number; limit: number }, CountedChange>('release-due'),
    nextDue: prepare<None, { at: number | null }>('next-due'),
    expire: prepare<
      { upTo: number; error: string; room: number; now: number },
      CountedChange & { ended: 'expired' | 'released' }
    >('expire'),
    get: prepare<{ id: string }, Read>('get'),
    newest: prepare<{ before: number; limit: number }, Seq>('newest'),
    newestOf: prepare<{ status: number; type: string; before: number; limit: number }, Seq>('newest-of'),
    typesOf: prepare<{ status: number }, { type: string }>('types-of'),
    page: prepare<{ seqs: string }, Read>('page'),
    statusOf: prepare<{ id: string }, { status: number; held: number }>('status-of'),
    count: prepare<None, { status: number; type: string; jobs: number }>('count'),
    countReady: prepare<None, { type: string; priority: number; jobs: number; work: number }>('count-ready'),
    waitingSince: prepare<{ type: string; priority: number }, { at: number | null }>('waiting-since'),
    setPlaces: prepare<Key & { places: number }, never>('set-places'),
    placesOf: prepare<Key, { places: number }>('places-of'),
    placesTaken: prepare<Key, { taken: number }>('places-taken'),
    nextHeld: prepare<Key & { limit: number }, Seq>('next-held'),
    letGo: prepare<Seqs & { now: number }, { type: string; priority: number; work: number }>('let-go'),
    addLabels: prepare<{ id: string; labels: string }, never>('add-labels'),
    labelled: prepare<
      {
        name: string;
        value: string;
        status: number | null;
        type: string | null;
        before: number;
        limit: number;
      },
      Seq
    >('labelled'),
    idsOf: prepare<Seqs, { id: string }>('ids-of'),
    standing: prepare<
      { id: string },
      Seq & {
        type: string;
        status: number;
        priority: number;
        readyAt: number;
        key: string | null;
        held: number;
      }
    >('standing'),
    ahead: prepare<
      { type: string; priority: number; readyAt: number; seq: number; limit: number },
      { jobs: number }
    >('ahead'),
    heldAhead: prepare<Key & { priority: number; seq: number; limit: number }, { jobs: number }>(
      'held-ahead',
    ),
    findSubmit: prepare<{ key: string }, { fingerprint: string; jobs: string }>('find-submit'),
    noteSubmit: prepare<{ key: string; fingerprint: string; jobs: string; now: number }, never>(
      'note-submit',
    ),
    forgetSubmits: prepare<{ before: number; limit: number }, never>('forget-submits'),
    pause: prepare<{ type: string; now: number }, never>('pause'),
    resume: prepare<{ type: string }, never>('resume'),
    paused: prepare<None, { type: string }>('paused'),
    useBlobs: prepare<{ id: string; blobs: string }, never>('use-blobs'),
    usedBlobs: prepare<{ blobs: string }, { blob: string }>('used-blobs'),
    finishedBefore: prepare<{ before: number; limit: number }, Seq>('finished-before'),
    blobsOf: prepare<Seqs, { blob: string }>('blobs-of'),
    forgetUses: prepare<Seqs, never>('forget-uses'),
    forgetLabels: prepare<Seqs, never>('forget-labels'),
    remove: prepare<Seqs, { type: string; status: number; key: string | null }>('remove'),
    forgetKey: prepare<Key, never>('forget-key'),
    forgetCompletions: prepare<{ limit: number }, never>('forget-completions'),
    submitsBefore: prepare<{ before: number }, { any: number }>('submits-before'),
    untold: prepare<{ now: number; limit: number }, { id: string; version: number; projection: string }>(
      'untold',
    ),
    told: prepare<{ ends: string }, never>('told'),
    ping: prepare<None, { newest: number | null }>('ping'),
  };
}

export type Statements = ReturnType<typeof prepareStatements>;
