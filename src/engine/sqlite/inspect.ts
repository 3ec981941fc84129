/** Looks at a database without becoming its owner. */
import { DatabaseSync } from '@photostructure/sqlite';
import { statSync } from 'node:fs';
import { defineHistory } from './history.js';

/** @returns `in use` where a server has the file. @throws Error where the system does not let it be read. */
export function inspectDatabase(
  file: string,
): 'in use' | { readonly bytes: number; readonly damage: string | undefined } {
  const bytes = statSync(file).size;
  const db = new DatabaseSync(file, { timeout: 0, readOnly: true });
  try {
    defineHistory(db);
    const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
    return { bytes, damage: found === 'ok' ? undefined : found };
  } catch (error) {
    const { message } = error as Error;
    if (/database is locked/.test(message)) return 'in use';
    if (/file is not a database|malformed/.test(message)) return { bytes, damage: message };
    throw error;
  } finally {
    db.close();
  }
}
