/** Opens the file in the way that the engine's promises rest on. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { DrayError } from '../../jobs/errors.js';
import { limits } from '../../jobs/limits.js';
import { defineHistory } from './history.js';
import { migrate } from './schema.js';
import type { Database } from './statements.js';

/**
 * @throws DrayError `unavailable` where another process has the file, or a newer version wrote it; `data-damaged`.
 */
export function openDatabase(file: string): Database {
  mkdirSync(dirname(file), { recursive: true });
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    lock(db);
    // FULL on every open: the library opens an existing WAL database with NORMAL, under which a power cut
    // takes back commits that callers were told of.
    db.exec('PRAGMA synchronous = FULL');
    assertPragma(db, 'synchronous', 2);
    assertPragma(db, 'journal_mode', 'wal');
    db.exec('PRAGMA wal_autocheckpoint = 1000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536');
    defineHistory(db);
    checkWhole(db, file);
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw damageOf(error, file) ?? error;
  }
}

/** Reads the whole file, so a large one is left to `dray doctor`: whoever starts a server waits for this. */
function checkWhole(db: Database, file: string): void {
  const { bytes } = db
    .prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size')
    .get() as { bytes: number };
  if (bytes > limits.checkedAtStart) return;
  const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
  if (found !== 'ok') throw damaged(file, found);
}

/** The error to throw for one by which SQLite says that the file is not as it was written. */
export function damageOf(error: unknown, file: string): DrayError | undefined {
  if (!(error instanceof Error) || !/file is not a database|malformed/.test(error.message)) return undefined;
  return damaged(file, error.message);
}

function damaged(file: string, found: string): DrayError {
  const said = found.replace(/\s+/g, ' ').slice(0, 200);
  return new DrayError('data-damaged', `The database ${file} is damaged (SQLite: ${said}).`);
}

/**
 * Takes the file for this process until it is closed or dies. Exclusive mode comes before WAL: so the index of
 * the WAL lives in the process's memory and no other process can so much as read.
 */
function lock(db: Database): void {
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; COMMIT');
  } catch (error) {
    if (!(error instanceof Error) || !/database is locked/.test(error.message)) throw error;
    throw new DrayError(
      'unavailable',
      'The data folder is in use by another dray process. Stop that one, or use another data folder.',
      { cause: error },
    );
  }
}

function assertPragma(db: Database, name: string, expected: string | number): void {
  const row = db.prepare(`PRAGMA ${name}`).get() as Record<string, string | number>;
  if (row[name] !== expected) {
    throw new DrayError('unavailable', `SQLite keeps ${name} at ${String(row[name])}, not ${expected}.`);
  }
}
