/** Looks at a database without becoming its owner. */
import { statSync } from 'node:fs';
import { Reader } from './reader.js';

/** @returns `in use` where a server has the file. @throws Error where the system does not let it be read. */
export function inspectDatabase(
  file: string,
): 'in use' | { readonly bytes: number; readonly damage: string | undefined } {
  const bytes = statSync(file).size;
  const reader = new Reader(file);
  try {
    const [row] = reader.all<{ quick_check: string }>(['quick_check'], 'pragma_quick_check');
    return { bytes, damage: row?.quick_check === 'ok' ? undefined : row?.quick_check };
  } catch (error) {
    const { message } = error as Error;
    if (/database is locked/.test(message)) return 'in use';
    if (/file is not a database|malformed/.test(message)) return { bytes, damage: message };
    throw error;
  } finally {
    reader.close();
  }
}
