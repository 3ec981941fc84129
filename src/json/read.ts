import { DrayError } from '../jobs/errors.js';
import type { ValueSink } from './sink.js';
import { isWord, JsonError, skipSpace, unexpected } from './syntax.js';

/** A text in pieces, at hand or as they arrive. */
export type Bytes = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

const space = Uint8Array.of(0x20);
const bom = 0xef;

/**
 * Reads one JSON text, of any size, into a sink. Places in errors are bytes of the text, counted from 0.
 *
 * The source is not closed on an error, only no longer read: closing a request would cut the connection over
 * which the error is to be answered.
 *
 * @param options.limit bytes that the text may have.
 * @returns the sink's value.
 * @throws DrayError `body-too-large`; `invalid-json`; what the sink throws. Errors of the source as they are.
 */
export async function readJson(source: Bytes, sink: ValueSink, options: { limit: number }): Promise<unknown> {
  const chunks = iteratorOf(source);
  const reader = new Reader(sink, options.limit);
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    reader.take(next.value);
    await sink.drain?.();
  }
  reader.end();
  await sink.drain?.();
  return sink.value();
}

/** Unlike a loop over the source, it does not close the source where the reading stops. */
export function iteratorOf(source: Bytes): Iterator<Uint8Array> | AsyncIterator<Uint8Array> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

class Reader {
  readonly #sink: ValueSink;
  readonly #limit: number;
  /** Bytes before the current chunk. */
  #offset = 0;
  /** The value's first byte. */
  #first: number | undefined;

  constructor(sink: ValueSink, limit: number) {
    this.#sink = sink;
    this.#limit = limit;
  }

  take(chunk: Uint8Array): void {
    if (this.#offset + chunk.length > this.#limit) {
      throw new DrayError('body-too-large', `The body is larger than the limit of ${this.#limit} bytes.`);
    }
    this.#place(() => this.#feed(chunk));
    this.#offset += chunk.length;
  }

  /** @throws DrayError `invalid-json` where the value is not complete. */
  end(): void {
    if (this.#first === undefined) throw new DrayError('invalid-json', 'the body is empty');
    // Only what follows a number or a word ends it, so at the end of the text something must.
    if (!this.#sink.done && isWord(this.#first)) this.#place(() => this.#sink.feed(space, 0));
    if (this.#sink.done) return;
    const place = `at byte ${this.#offset}`;
    throw new DrayError('invalid-json', `the body ends ${place}, in the middle of its value`);
  }

  #feed(chunk: Uint8Array): void {
    let at = 0;
    if (this.#first === undefined) {
      at = skipSpace(chunk, at);
      if (at === chunk.length) return;
      this.#first = chunk[at]!;
      if (this.#first === bom)
        throw new JsonError('', 'begins with a byte order mark, which JSON has not', at);
    }
    if (!this.#sink.done) at = this.#sink.feed(chunk, at);
    if (!this.#sink.done) return;
    at = skipSpace(chunk, at);
    if (at < chunk.length) throw new JsonError('', unexpected(chunk[at]!, 'nothing after the value'), at);
  }

  #place(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      const detail = `${error.message}, at byte ${this.#offset + error.at}`;
      throw new DrayError(error.code, detail, error.field === undefined ? {} : { field: error.field });
    }
  }
}
