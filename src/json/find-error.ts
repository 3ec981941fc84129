/**
 * Says where and why a text is not JSON. JSON.parse is far faster, but names the place only sometimes; this is
 * for the texts that it refused.
 */
import { byte, isDigit, isSpace, isWord, unexpected, wordHint } from './syntax.js';

export interface SyntaxFault {
  /** Index of the byte. */
  readonly at: number;
  readonly detail: string;
}

class Fault extends Error implements SyntaxFault {
  constructor(
    readonly at: number,
    readonly detail: string,
  ) {
    super(detail);
  }
}

/**
 * The first fault of a text, undefined where there is none. The text must not nest deeper than the stack allows.
 * Bytes that are not UTF-8 are not looked for.
 */
export function findSyntaxFault(text: Uint8Array): SyntaxFault | undefined {
  try {
    new Scan(text).document();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

class Scan {
  readonly #text: Uint8Array;
  #at = 0;

  constructor(text: Uint8Array) {
    this.#text = text;
  }

  document(): void {
    this.#value();
    this.#skip();
    if (this.#at < this.#text.length) this.#fault('the end');
  }

  #value(): void {
    const c = this.#skip();
    if (c === byte.openObject) this.#members();
    else if (c === byte.openArray) this.#elements();
    else if (c === byte.quote) this.#string();
    else if (c === byte.minus || (c !== undefined && isDigit(c))) this.#number();
    else if (c !== undefined && isWord(c) && c !== byte.plus && c !== byte.point) this.#literal();
    else this.#fault('a value');
  }

  #members(): void {
    this.#at++;
    if (this.#skip() === byte.closeObject) {
      this.#at++;
      return;
    }
    for (;;) {
      if (this.#skip() !== byte.quote) this.#fault('a key in double quotes');
      this.#string();
      if (this.#skip() !== byte.colon) this.#fault("':'");
      this.#at++;
      this.#value();
      if (this.#endsAfterItem(byte.closeObject, "',' or '}'")) return;
    }
  }

  #elements(): void {
    this.#at++;
    if (this.#skip() === byte.closeArray) {
      this.#at++;
      return;
    }
    do this.#value();
    while (!this.#endsAfterItem(byte.closeArray, "',' or ']'"));
  }

  #endsAfterItem(close: number, expected: string): boolean {
    const c = this.#skip();
    if (c !== close && c !== byte.comma) this.#fault(expected);
    this.#at++;
    return c === close;
  }

  #string(): void {
    this.#at++;
    for (;;) {
      const c = this.#text[this.#at];
      if (c === undefined) this.#fault("'\"'");
      if (c < 0x20) throw new Fault(this.#at, 'control characters in strings must be escaped');
      this.#at++;
      if (c === byte.quote) return;
      if (c === byte.backslash) this.#escape();
    }
  }

  #escape(): void {
    const c = this.#text[this.#at];
    if (c === undefined || !'"\\/bfnrtu'.includes(String.fromCharCode(c))) {
      throw new Fault(this.#at - 1, 'this escape does not exist in JSON');
    }
    this.#at++;
    if (c !== 0x75) return;
    for (let digit = 0; digit < 4; digit++, this.#at++) {
      const hex = this.#text[this.#at];
      if (hex === undefined || !/[0-9a-fA-F]/.test(String.fromCharCode(hex))) {
        this.#fault('four hexadecimal digits');
      }
    }
  }

  #number(): void {
    if (this.#text[this.#at] === byte.minus) this.#at++;
    if (this.#text[this.#at] === byte.zero) {
      this.#at++;
      const next = this.#text[this.#at];
      if (next !== undefined && isDigit(next)) throw new Fault(this.#at - 1, 'numbers have no leading zeros');
    } else {
      this.#digits();
    }
    if (this.#text[this.#at] === byte.point) {
      this.#at++;
      this.#digits();
    }
    if (this.#text[this.#at] === 0x65 || this.#text[this.#at] === 0x45) {
      this.#at++;
      if (this.#text[this.#at] === byte.plus || this.#text[this.#at] === byte.minus) this.#at++;
      this.#digits();
    }
    const c = this.#text[this.#at];
    if (c !== undefined && isWord(c)) this.#fault('the end of the number');
  }

  #literal(): void {
    const start = this.#at;
    let end = start;
    while (end < this.#text.length && isWord(this.#text[end]!)) end++;
    const word = Buffer.from(this.#text.buffer, this.#text.byteOffset + start, end - start).toString(
      'latin1',
    );
    if (word !== 'true' && word !== 'false' && word !== 'null') {
      throw new Fault(start, `'${word.slice(0, 20)}' is not a JSON value${wordHint(word.charCodeAt(0))}`);
    }
    this.#at = end;
  }

  #digits(): void {
    const start = this.#at;
    while (this.#at < this.#text.length && isDigit(this.#text[this.#at]!)) this.#at++;
    if (this.#at === start) this.#fault('a digit');
  }

  #skip(): number | undefined {
    while (this.#at < this.#text.length && isSpace(this.#text[this.#at]!)) this.#at++;
    return this.#text[this.#at];
  }

  #fault(expected: string): never {
    const c = this.#text[this.#at];
    throw new Fault(
      this.#at,
      c === undefined ? `expected ${expected}, found the end` : unexpected(c, expected),
    );
  }
}
