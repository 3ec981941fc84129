import { isUtf8 } from 'node:buffer';
import { DrayError } from '../jobs/errors.js';
import { findSyntaxFault } from './find-error.js';
import type { ValueSink } from './sink.js';
import { beginsValue, byte, isSpace, JsonError, nameOf, unexpected } from './syntax.js';

const nothing = Buffer.alloc(0);

/** Bytes of a key's text; escapes count as they are written. */
const longestKey = 256;

/** What must come next. */
const State = {
  open: 0,
  firstKey: 1,
  key: 2,
  inKey: 3,
  escaped: 4,
  colon: 5,
  beforeValue: 6,
  value: 7,
  afterValue: 8,
  done: 9,
} as const;
type State = (typeof State)[keyof typeof State];

/**
 * Reads an object member by member; who owns the object chooses the sink of each value by its key. The value is
 * a plain object of the members' values, in their order, as JSON.parse would make it.
 */
export class ObjectSink implements ValueSink {
  readonly #member: (key: string) => ValueSink;
  readonly #field: string;
  readonly #members = new Map<string, ValueSink>();
  /** Members fed since the last drain that have something to drain, in their order. */
  #undrained: ValueSink[] = [];
  #active: ValueSink | undefined;
  #state: State = State.open;
  /** The text of a key whose beginning was in an earlier chunk. */
  #keyText = nothing;

  /**
   * @param member gives the sink for a key's value; a key is asked for once. It throws a DrayError to refuse
   * the key.
   * @param field path of the object, for errors; empty for the whole body.
   */
  constructor(member: (key: string) => ValueSink, field = '') {
    this.#member = member;
    this.#field = field;
  }

  get done(): boolean {
    return this.#state === State.done;
  }

  value(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (const [key, sink] of this.#members) {
      const value = sink.value();
      // Assigning to this key would set the prototype.
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
      } else {
        object[key] = value;
      }
    }
    return object;
  }

  /** Drains one member after the other, in the order in which they came: they may share one destination. */
  drain(): Promise<void> | undefined {
    return this.#undrained.length === 0 ? undefined : this.#drainAll();
  }

  /**
   * @throws DrayError `invalid-json`, also for a key that comes twice; `invalid-request` where the value is no
   * object; what the members' sinks throw.
   */
  feed(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length && this.#state !== State.done) {
      if (this.#state === State.value) at = this.#feedMember(chunk, at);
      else if (this.#state === State.inKey || this.#state === State.escaped) at = this.#scanKey(chunk, at);
      else at = this.#step(chunk, at);
    }
    return at;
  }

  /** Takes one byte of what stands between keys and values, or moves on without it. */
  #step(chunk: Uint8Array, at: number): number {
    const c = chunk[at]!;
    if (isSpace(c)) return at + 1;
    const state = this.#state;
    if (state === State.beforeValue) {
      this.#state = State.value;
      return at;
    }
    if (state === State.open) {
      if (c !== byte.openObject) this.#refuseValue(c, at);
      this.#state = State.firstKey;
    } else if (state === State.colon) {
      if (c !== byte.colon) this.#fail(unexpected(c, "':'"), at);
      this.#state = State.beforeValue;
    } else if (state === State.afterValue) {
      if (c === byte.comma) this.#state = State.key;
      else if (c === byte.closeObject) this.#state = State.done;
      else this.#fail(unexpected(c, "',' or '}'"), at);
    } else {
      if (c === byte.quote) this.#state = State.inKey;
      else if (c === byte.closeObject && state === State.firstKey) this.#state = State.done;
      else this.#fail(unexpected(c, 'a key in double quotes'), at);
    }
    return at + 1;
  }

  #feedMember(chunk: Uint8Array, at: number): number {
    const sink = this.#active!;
    if (sink.drain !== undefined && this.#undrained.at(-1) !== sink) this.#undrained.push(sink);
    const end = sink.feed(chunk, at);
    if (sink.done) {
      this.#active = undefined;
      this.#state = State.afterValue;
    }
    return end;
  }

  #scanKey(chunk: Uint8Array, from: number): number {
    let at = from;
    const stop = Math.min(chunk.length, from + longestKey + 1 - this.#keyText.length);
    for (; at < stop; at++) {
      const c = chunk[at]!;
      if (this.#state === State.escaped) this.#state = State.inKey;
      else if (c === byte.backslash) this.#state = State.escaped;
      else if (c === byte.quote) {
        this.#endKey(Buffer.from(chunk.buffer, chunk.byteOffset + from, at - from), at);
        return at + 1;
      } else if (c < 0x20) this.#fail('control characters in keys must be escaped', at);
    }
    this.#keyText = Buffer.concat([this.#keyText, chunk.subarray(from, at)]);
    if (this.#keyText.length > longestKey) this.#fail(`a key is longer than ${longestKey} bytes`, at - 1);
    return at;
  }

  #endKey(text: Buffer, at: number): void {
    const whole = this.#keyText.length === 0 ? text : Buffer.concat([this.#keyText, text]);
    this.#keyText = nothing;
    const key = this.#parseKey(whole, at - whole.length);
    if (this.#members.has(key)) {
      const path = this.#field === '' ? key : `${this.#field}.${key}`;
      throw new JsonError(path, 'the key comes twice in its object', at - whole.length);
    }
    this.#active = this.#member(key);
    this.#members.set(key, this.#active);
    this.#state = State.colon;
  }

  /** @param at index of the key's first byte. */
  #parseKey(text: Buffer, at: number): string {
    if (!isUtf8(text)) this.#fail('a key is not UTF-8', at);
    if (!text.includes(byte.backslash)) return text.toString('utf8');
    const literal = Buffer.from(`"${text.toString('utf8')}"`);
    const fault = findSyntaxFault(literal);
    if (fault !== undefined) this.#fail(fault.detail, at + fault.at - 1);
    return JSON.parse(literal.toString('utf8')) as string;
  }

  #refuseValue(c: number, at: number): never {
    if (!beginsValue(c)) this.#fail(unexpected(c, "'{'"), at);
    const options = this.#field === '' ? {} : { field: this.#field };
    throw new DrayError('invalid-request', `${nameOf(this.#field)}: must be a JSON object`, options);
  }

  async #drainAll(): Promise<void> {
    const sinks = this.#undrained;
    this.#undrained = [];
    for (const sink of sinks) await sink.drain?.();
  }

  #fail(detail: string, at: number): never {
    throw new JsonError(this.#field, detail, at);
  }
}
