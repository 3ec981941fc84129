import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDatabase } from './database.js';
import type { Answer, Request, StoredJob } from './protocol.js';
import { prepareStatements, type Database } from './statements.js';
import { createStore, runBatch, type Store } from './transaction.js';

const newJob = (id: string, given: Partial<StoredJob> = {}): StoredJob => ({
  id,
  type: 'echo',
  input: 'null',
  inputBlob: null,
  retry: '{"attempts":1,"baseMs":1,"factor":2,"capMs":1}',
  timeoutMs: 1,
  maxAttempts: 1,
  work: 1,
  priority: 1,
  key: null,
  places: null,
  labels: '{}',
  runAt: null,
  blobs: [],
  projection: null,
  ...given,
});

/** What retention must not leave behind: a table that only grows would fill the disk in the end. */
describe('sqlite retention', () => {
  let folder: string;
  let db: Database;
  let store: Store;
  let now = 0;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dray-retention-'));
    db = openDatabase(join(folder, 'jobs.db'));
    store = createStore(db, prepareStatements(db));
    now = 0;
  });

  afterEach(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });

  const run = (...requests: Request[]): readonly Answer[] => {
    now += 1_000;
    const { answers } = runBatch(store, { at: { now, monotonic: now }, requests });
    for (const answer of answers) expect(answer).toMatchObject({ ok: true });
    return answers;
  };
  const submit = (...jobs: StoredJob[]) => run({ op: 'submit', params: { jobs, once: null } });
  const complete = (id: string): void => {
    const token = `token-of-${id}`;
    run({ op: 'claim', params: { worker: 'w', types: ['echo'], ahead: 0, max: 1, leaseMs: 1e9, token } });
    const { seq } = db.prepare('SELECT seq FROM jobs WHERE id = ?').get(id) as { seq: number };
    const result = { result: '1', resultBlob: null, peakMemory: null, ranMs: 1, blobs: ['blob'] };
    run({ op: 'complete', params: { id, token: `${token}-${seq}`, ...result } });
  };
  const prune = (keep: number) => run({ op: 'prune', params: { before: 0, keep, limit: 10 } });
  const column = (statement: string): unknown[] =>
    db
      .prepare(statement)
      .all()
      .map((row) => Object.values(row as object)[0] as unknown);

  test('forgets the completions of removed jobs, and of no other', () => {
    for (const id of ['a', 'b', 'c']) {
      submit(newJob(id));
      complete(id);
    }
    prune(2);
    expect(column('SELECT job FROM completions')).toEqual(['b', 'c']);
    prune(0);
    expect(column('SELECT job FROM completions')).toEqual([]);
  });

  test('leaves the completion of a job that ended long ago and is still there', () => {
    submit(newJob('early'));
    complete('early');
    for (const id of ['x', 'y']) {
      submit(newJob(id));
      run({ op: 'cancel', params: { id } });
    }
    prune(3);
    expect(column('SELECT job FROM completions')).toEqual(['early']);
  });

  test('forgets the places of a key with its last job, and not before', () => {
    submit(newJob('a', { key: 'k', places: 2 }), newJob('b', { key: 'k', places: 2 }));
    submit(newJob('c', { key: 'other', places: 1 }), newJob('d', { type: 'second', key: 'k', places: 3 }));
    run({ op: 'cancel', params: { id: 'a' } });
    prune(0);
    expect(column("SELECT type || ' ' || key FROM keys")).toEqual(['echo k', 'echo other', 'second k']);
    run({ op: 'cancel', params: { id: 'b' } }, { op: 'cancel', params: { id: 'd' } });
    prune(0);
    expect(column("SELECT type || ' ' || key FROM keys")).toEqual(['echo other']);
  });

  test('leaves no row about removed jobs in any table', () => {
    submit(newJob('a', { key: 'k', places: 1, labels: '{"run":"1"}', blobs: ['in'] }));
    complete('a');
    prune(0);
    const tables = column("SELECT name FROM sqlite_schema WHERE type = 'table'") as string[];
    expect(tables).toContain('blob_uses');
    for (const table of tables) expect(column(`SELECT count(*) FROM ${table}`), table).toEqual([0]);
  });
});
