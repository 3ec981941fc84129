/** Brings a database to the schema that this code knows. */
import { readdirSync, readFileSync } from 'node:fs';
import { DrayError } from '../../jobs/errors.js';
import type { Database } from './statements.js';

const folder = new URL('./sql/migrations/', import.meta.url);

/** File names in order. The number in front is the schema version that the file leads to: 1, 2, 3, … */
export function migrationFiles(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
}

/**
 * Applies what is missing, each migration in a transaction that also notes its number (`PRAGMA user_version`),
 * so a process that dies in between leaves a schema that the next one goes on from.
 *
 * @throws DrayError `unavailable` where the database was written by a newer version of the code.
 */
export function migrate(db: Database): void {
  const files = migrationFiles();
  const { user_version: found } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found > files.length) {
    throw new DrayError(
      'unavailable',
      `The data folder was written by a newer version of dray (schema ${found}, this version knows ${files.length}). Start that version, or use another data folder.`,
    );
  }
  files.slice(found).forEach((name, index) => {
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(readFileSync(new URL(name, folder), 'utf8'));
      db.exec(`PRAGMA user_version = ${found + index + 1}`);
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  });
}
