/** What JSON's grammar says about single bytes, and how an error of it is told. */
import { DrayError } from '../jobs/errors.js';

export const byte = {
  quote: 0x22,
  plus: 0x2b,
  comma: 0x2c,
  minus: 0x2d,
  point: 0x2e,
  zero: 0x30,
  colon: 0x3a,
  openArray: 0x5b,
  backslash: 0x5c,
  closeArray: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const;

/** Text that is not JSON, where the place is known; the reader adds the place to the message. */
export class JsonError extends DrayError {
  /** Index in the chunk being fed; negative where the place lies in an earlier chunk. */
  readonly at: number;

  /** @param field path of the value to blame, empty for the whole body. */
  constructor(field: string, detail: string, at: number) {
    super('invalid-json', `${nameOf(field)}: ${detail}`, field === '' ? {} : { field });
    this.at = at;
  }
}

export function nameOf(field: string): string {
  return field === '' ? 'the body' : field;
}

export function skipSpace(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && isSpace(bytes[at]!)) at++;
  return at;
}

export function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
}

export function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

/** Bytes of a number or a word. More than JSON has, so that a wrong word is seen, and told, as a whole. */
export function isWord(c: number): boolean {
  return (
    isDigit(c) ||
    (c >= 0x61 && c <= 0x7a) ||
    (c >= 0x41 && c <= 0x5a) ||
    c === byte.minus ||
    c === byte.plus ||
    c === byte.point
  );
}

/** True where a value can begin with the byte. */
export function beginsValue(c: number): boolean {
  return (
    c === byte.openObject ||
    c === byte.openArray ||
    c === byte.quote ||
    c === byte.minus ||
    isDigit(c) ||
    c === 0x74 ||
    c === 0x66 ||
    c === 0x6e
  );
}

export function unexpected(c: number, expected: string): string {
  const shown =
    c > 0x20 && c < 0x7f ? `'${String.fromCharCode(c)}'` : `byte 0x${c.toString(16).padStart(2, '0')}`;
  return `expected ${expected}, found ${shown}${wordHint(c)}`;
}

/** For the first letter of a word: what most who meet the error need to know. */
export function wordHint(c: number): string {
  return c === 0x4e || c === 0x49 ? '; NaN and Infinity are not JSON' : '';
}
