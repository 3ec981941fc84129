/** List cursors: opaque to clients, a place in the order of submission to the engine. */
import { DrayError } from '../jobs/errors.js';

/** The cursor of the page that goes on below `seq`. */
export function encodeCursor(seq: number): string {
  return Buffer.from(String(seq)).toString('base64url');
}

/** @throws DrayError `invalid-request` for anything that `encodeCursor` did not make. */
export function decodeCursor(cursor: string): number {
  const seq = Number(Buffer.from(cursor, 'base64url').toString());
  if (!Number.isSafeInteger(seq) || seq < 1 || encodeCursor(seq) !== cursor) {
    throw new DrayError('invalid-request', 'The cursor is not one that a list gave out.', {
      field: 'cursor',
    });
  }
  return seq;
}
