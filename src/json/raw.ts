import { isUtf8 } from 'node:buffer';
import { DrayError } from '../jobs/errors.js';
import { KiB, limits, MiB } from '../jobs/limits.js';
import { findSyntaxFault } from './find-error.js';
import type { ValueSink } from './sink.js';
import { beginsValue, byte, isWord, JsonError, nameOf, unexpected } from './syntax.js';

const nothing = Buffer.alloc(0);

/** What the next byte belongs to. */
const State = { start: 0, word: 1, structure: 2, string: 3, escaped: 4, done: 5 } as const;
type State = (typeof State)[keyof typeof State];

/**
 * Any JSON value, held as a whole: its end is found byte by byte, then JSON.parse reads it. What JSON.parse
 * takes is taken, but for numbers beyond double's range, which it would make infinite.
 */
export class RawValueSink implements ValueSink {
  readonly #field: string;
  readonly #limit: number;
  readonly #depthLimit: number;
  #state: State = State.start;
  #depth = 0;
  /** Holds what earlier chunks had of the value in its first `#held` bytes. */
  #text = nothing;
  #held = 0;
  #value: unknown;

  /**
   * @param params.field path of the value, for errors; empty for the whole body.
   * @param params.limit bytes of text.
   * @param params.depth how deep objects and arrays may nest.
   */
  constructor(params: { field: string; limit?: number; depth?: number }) {
    this.#field = params.field;
    this.#limit = params.limit ?? limits.jsonPayload;
    this.#depthLimit = params.depth ?? limits.jsonDepth;
  }

  get done(): boolean {
    return this.#state === State.done;
  }

  value(): unknown {
    return this.#value;
  }

  /**
   * @throws DrayError `invalid-json`; `limit-exceeded` where the value is too large or too deep. Both name the
   * field.
   */
  feed(chunk: Uint8Array, at: number): number {
    const end = this.#scan(chunk, at);
    if (this.#held + end - at > this.#limit) this.#tooLarge();
    if (this.done) {
      this.#parse(chunk, at, end);
    } else {
      this.#keep(chunk, at, end);
    }
    return end;
  }

  /** Looks only for the end, and for what would make the rest hard to tell: the grammar is JSON.parse's. */
  #scan(chunk: Uint8Array, from: number): number {
    let at = from;
    let state = this.#state;
    const stop = Math.min(chunk.length, from + this.#limit - this.#held + 1);
    for (; at < stop && state !== State.done; at++) {
      const c = chunk[at]!;
      if (state === State.string) {
        if (c > byte.backslash) continue;
        if (c === byte.quote) state = this.#depth === 0 ? State.done : State.structure;
        else if (c === byte.backslash) state = State.escaped;
        else if (c < 0x20) this.#fail('control characters in strings must be escaped', at);
      } else if (state === State.structure) {
        if (c < byte.openArray && c !== byte.quote) continue;
        if (c === byte.quote) state = State.string;
        else if (c === byte.openObject || c === byte.openArray) this.#enter();
        else if ((c === byte.closeObject || c === byte.closeArray) && --this.#depth === 0) state = State.done;
      } else if (state === State.escaped) {
        state = State.string;
      } else if (state === State.word) {
        if (isWord(c)) continue;
        state = State.done;
        break; // the byte belongs to what surrounds the value
      } else {
        state = this.#begin(c, at);
      }
    }
    this.#state = state;
    return at;
  }

  #begin(c: number, at: number): State {
    if (c === byte.quote) return State.string;
    if (c === byte.openObject || c === byte.openArray) {
      this.#enter();
      return State.structure;
    }
    // A word that JSON has not, such as NaN, is taken too, so that it is told as a whole.
    if (beginsValue(c) || isWord(c)) return State.word;
    return this.#fail(unexpected(c, 'a value'), at);
  }

  #enter(): void {
    if (++this.#depth <= this.#depthLimit) return;
    const detail = `${nameOf(this.#field)}: nests deeper than the limit of ${this.#depthLimit} levels`;
    throw new DrayError('limit-exceeded', detail, { field: this.#field });
  }

  /** Copies into one buffer that doubles: a body that comes byte by byte must not cost an object for each. */
  #keep(chunk: Uint8Array, at: number, end: number): void {
    const needed = this.#held + end - at;
    if (needed > this.#text.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#text.length));
      this.#text.copy(grown, 0, 0, this.#held);
      this.#text = grown;
    }
    this.#text.set(chunk.subarray(at, end), this.#held);
    this.#held = needed;
  }

  #parse(chunk: Uint8Array, at: number, end: number): void {
    const origin = at - this.#held;
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset + at, end - at);
    if (this.#held > 0) {
      this.#keep(chunk, at, end);
      bytes = this.#text.subarray(0, this.#held);
      this.#text = nothing;
    }
    if (!isUtf8(bytes)) this.#fail('the text is not UTF-8', origin);
    try {
      this.#value = JSON.parse(bytes.toString('utf8'));
    } catch (cause) {
      const fault = findSyntaxFault(bytes);
      if (fault === undefined) throw cause;
      this.#fail(fault.detail, origin + fault.at);
    }
    const place = infinitePlace(this.#value);
    if (place !== undefined) {
      const field = `${this.#field}${place}`.replace(/^\./, '');
      const detail = `${nameOf(field)}: the number is beyond double range`;
      throw new DrayError('invalid-json', detail, { field });
    }
  }

  #tooLarge(): never {
    const limit = this.#limit % MiB === 0 ? `${this.#limit / MiB} MiB` : `${this.#limit / KiB} KiB`;
    throw new DrayError(
      'limit-exceeded',
      `${nameOf(this.#field)}: larger than ${limit}, the limit for a JSON value here. ` +
        'Upload large data with POST /v1/blobs and name the blob instead.',
      { field: this.#field },
    );
  }

  #fail(detail: string, at: number): never {
    throw new JsonError(this.#field, detail, at);
  }
}

/** Where in a value the first number is that overflowed when it was parsed, as `.a[3]`. */
function infinitePlace(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : '';
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const place = infinitePlace(value[index]);
      if (place !== undefined) return `[${index}]${place}`;
    }
    return undefined;
  }
  for (const key in value) {
    const place = infinitePlace((value as Record<string, unknown>)[key]);
    if (place !== undefined) return `.${key}${place}`;
  }
  return undefined;
}
