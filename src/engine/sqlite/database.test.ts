import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDatabase } from './database.js';
import type { Moment, Request, StoredJob } from './protocol.js';
import { statusNumbers } from './rows.js';
import { migrationFiles } from './schema.js';
import { prepareStatements, type Database } from './statements.js';
import { createStore, runBatch } from './transaction.js';

const at: Moment = { now: 1_750_000_000_000, monotonic: 0 };

const job = (id: string): StoredJob => ({
  id,
  type: 'echo',
  input: 'null',
  inputBlob: null,
  retry: '{"attempts":5,"baseMs":1,"factor":2,"capMs":1}',
  timeoutMs: 1,
  maxAttempts: 5,
  work: 1,
  priority: 1,
  key: null,
  places: null,
  labels: '{}',
  runAt: null,
  blobs: [],
  projection: null,
});
const submit = (...ids: string[]): Request => ({ op: 'submit', params: { jobs: ids.map(job), once: null } });

describe('sqlite database', () => {
  let folder: string;
  let file: string;
  let db: Database;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dray-database-'));
    file = join(folder, 'jobs.db');
    db = openDatabase(file);
  });

  afterEach(() => {
    if (db.isOpen) db.close();
    rmSync(folder, { recursive: true });
  });

  /** A file in WAL mode that nobody has open: prepared statements would hold on to it until they are collected. */
  const closedFile = (sql = ''): string => {
    const closed = join(folder, 'closed.db');
    const bare = new DatabaseSync(closed);
    bare.exec(`PRAGMA journal_mode = WAL; CREATE TABLE something (a); DROP TABLE something; ${sql}`);
    bare.close();
    return closed;
  };

  const pragma = (name: string): unknown =>
    Object.values(db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[0];
  const run = (...requests: Request[]) => runBatch(createStore(db, prepareStatements(db)), { at, requests });
  const ids = (): unknown[] =>
    (db.prepare('SELECT id FROM jobs ORDER BY seq').all() as { id: string }[]).map((row) => row.id);

  test('writes through to the disk on the first open and on each one after', () => {
    expect([pragma('synchronous'), pragma('journal_mode')]).toEqual([2, 'wal']);
    db.close();
    db = openDatabase(closedFile());
    expect([pragma('synchronous'), pragma('journal_mode')]).toEqual([2, 'wal']);
  });

  test('brings a new file to the latest schema, whose migrations are numbered without a gap', () => {
    expect(pragma('user_version')).toBe(migrationFiles().length);
    expect(migrationFiles().map((name) => Number(name.slice(0, 4)))).toEqual(
      migrationFiles().map((_, index) => index + 1),
    );
  });

  test('brings a file of the first schema up to date, with its jobs', () => {
    const first = readFileSync(new URL('./sql/migrations/0001-jobs.sql', import.meta.url), 'utf8');
    const columns =
      'id, type, status, version, input, retry, timeout_ms, attempt, max_attempts, created_at, history';
    const old = closedFile(`${first}
      INSERT INTO jobs (${columns}) VALUES ('a', 'echo', 1, 1, 'null', '{}', 1, 0, 5, 1700, '[]');
      INSERT INTO jobs (${columns}, result, finished_at)
        VALUES ('b', 'echo', 3, 3, 'null', '{}', 1, 1, 5, 1600, '[]', '1', 1800);
      PRAGMA user_version = 1`);
    db.close();
    db = openDatabase(old);
    const [counts] = createStore(db, prepareStatements(db)).counters.read();
    expect(counts).toMatchObject({
      jobs: { pending: 1, completed: 1 },
      pendingWork: 1,
      oldestPendingAt: 1700,
    });
    const read = run({ op: 'get', params: { id: 'b' } }).answers[0];
    expect(read).toMatchObject({ ok: true, result: expect.stringContaining('"result":"1"') as unknown });
  });

  test('refuses a file that a newer version wrote', () => {
    const newer = closedFile('PRAGMA user_version = 1000');
    expect(() => openDatabase(newer)).toThrow(/newer version of dray \(schema 1000/);
  });

  describe('damage', () => {
    /** A closed file of many pages, spoilt. */
    const spoilt = (spoil: (bytes: Buffer) => Buffer): string => {
      const rows =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, 'text ' || i FROM n";
      const path = closedFile(`CREATE TABLE many (i PRIMARY KEY, t); INSERT INTO many ${rows}`);
      writeFileSync(path, spoil(readFileSync(path)));
      return path;
    };
    const damaged = (path: string): unknown =>
      expect.objectContaining({ code: 'data-damaged', message: expect.stringContaining(path) as unknown });
    const opened = (path: string): unknown => {
      try {
        openDatabase(path).close();
        return 'opened';
      } catch (error) {
        return error;
      }
    };

    test.each<[what: string, spoil: (bytes: Buffer) => Buffer]>([
      ['a header', (bytes) => bytes.fill(1, 0, 100)],
      ['pages', (bytes) => bytes.fill(0x55, 5 * 4096, 8 * 4096)],
      ['an end that is missing', (bytes) => bytes.subarray(0, bytes.length / 2)],
      ['everything', (bytes) => Buffer.alloc(bytes.length, 'text')],
    ])('of %s is found when the file is opened, and named', (_, spoil) => {
      const path = spoilt(spoil);
      expect(opened(path)).toEqual(damaged(path));
    });

    test('is not seen in a file that is whole', () => {
      expect(opened(spoilt((bytes) => bytes))).toBe('opened');
    });
  });

  test('refuses to be opened twice', () => {
    expect(() => openDatabase(file)).toThrow(/in use by another dray process/);
  });

  test('keeps the numbers of the statuses, which every file of every version holds', () => {
    expect(statusNumbers).toEqual({
      scheduled: 0,
      pending: 1,
      'in-progress': 2,
      completed: 3,
      failed: 4,
      cancelled: 5,
    });
  });

  test('commits a batch as one transaction and answers each request', () => {
    const { answers, changes } = run(submit('a', 'b'), submit('c'), { op: 'cancel', params: { id: 'a' } });
    expect(answers.map((answer) => answer.ok)).toEqual([true, true, true]);
    expect(changes.map(({ id, version }) => [id, version])).toEqual([
      ['a', 1],
      ['b', 1],
      ['c', 1],
      ['a', 2],
    ]);
    expect(db.isTransaction).toBe(false);
  });

  test('fails the one bad request of a batch, whole, and none of its neighbours', () => {
    run(submit('known'));
    const { answers, changes } = run(submit('a'), submit('b', 'known', 'c'), submit('d'), submit('b'));
    expect(answers.map((answer) => answer.ok)).toEqual([true, false, true, true]);
    expect(answers[1]).toMatchObject({ error: { code: 'internal' } });
    expect(changes.map((change) => change.id)).toEqual(['a', 'd', 'b']);
    expect(ids()).toEqual(['known', 'a', 'd', 'b']);
  });

  test('says storage-full, and stores nothing, where the file may not grow', () => {
    run(submit('first'));
    db.exec(`PRAGMA max_page_count = ${pragma('page_count') as number}`);
    const large: Request = {
      op: 'submit',
      params: { jobs: [{ ...job('large'), input: `"${'x'.repeat(1e6)}"` }], once: null },
    };
    const { answers, changes } = run(large, { op: 'get', params: { id: 'first' } });
    expect(answers).toMatchObject([{ ok: false, error: { code: 'storage-full' } }, { ok: true }]);
    expect(changes).toEqual([]);
    expect(ids()).toEqual(['first']);
    expect(db.isTransaction).toBe(false);
  });

  test('notes every completion, even one that no operation would allow', () => {
    run(submit('a', 'b'), {
      op: 'claim',
      params: { worker: 'w', types: ['echo'], ahead: 0, max: 1, leaseMs: 1, token: 't' },
    });
    const complete = { token: 't-1', result: '1', resultBlob: null, peakMemory: null, ranMs: 0, blobs: [] };
    run({ op: 'complete', params: { id: 'a', ...complete } });
    run({ op: 'complete', params: { id: 'a', ...complete } });
    const audit = (): unknown[] => db.prepare('SELECT job, attempt, token, at FROM completions').all();
    expect(audit()).toEqual([{ job: 'a', attempt: 1, token: 't-1', at: at.now }]);
    db.exec("UPDATE jobs SET status = 3 WHERE id = 'a'"); // a guard that is missing
    expect(audit()).toHaveLength(2);
  });

  test('releases a great many due jobs in parts, and says that more are due', () => {
    const many = Array.from({ length: 1_500 }, (_, index) => `job-${index}`);
    run(submit(...many));
    db.exec('UPDATE jobs SET status = 0, run_at = 1');
    const released = [1, 2].map(() => run({ op: 'maintain', params: {} }).answers[0]);
    expect(released).toEqual([
      { ok: true, result: { released: 1_000, expired: 0, nextDueInMs: 0 } },
      { ok: true, result: { released: 500, expired: 0 } },
    ]);
  });
});
