/**
 * Reads a matrix of the request as it arrives: `[[1, 2.5], [3, 4]]` straight into binary, everything else
 * (`{"blob": …}`, `{"random": …}`) as a small JSON value.
 */
import type { BlobWriter } from '../../blobs/blob-store.js';
import { RawValueSink } from '../../json/raw.js';
import type { ValueSink } from '../../json/sink.js';
import { byte, skipSpace, unexpected } from '../../json/syntax.js';
import { DrayError, type ErrorCode } from '../../jobs/errors.js';
import { KiB } from '../../jobs/limits.js';
import type { FieldReader } from '../task.js';
import { parseNumber, readNumbers, type NumberRun } from './decimal.js';
import type { RawBlob } from './input.js';

/** A matrix whose text is at most this long stays in the job's record as rows: two of them fit into it. */
const inlineText = 12 * KiB;
/** What a matrix that is given by reference may take as JSON. */
const referenceText = 4 * KiB;
/** Elements worth a write: smaller writes cost more than they save. */
const spillElements = (512 * KiB) / Float64Array.BYTES_PER_ELEMENT;
/** The longest text of one number. The longest that can matter to a double has some 1,100 characters. */
const longestNumber = 4 * KiB;

type RowsParams = Parameters<FieldReader>[0];

/**
 * The reader of the fields `a` and `b`. Its value is one of
 * - `number[][]`: rows whose text is at most 12 KiB, without −0, which JSON in the job's record would lose;
 * - `RawBlob`: C-order float64 in the request's blob, valid once `drain()` has resolved after `done`;
 * - any other JSON value of at most 4 KiB, as it is.
 *
 * @throws DrayError `invalid-matrix` naming the field and, counted from 1, row and column; `limit-exceeded` as
 * soon as there are more than `maxElements`; for other values what RawValueSink throws.
 */
export const matrixField: FieldReader = (params) => new MatrixSink(params);

/** Looks at the first byte to choose who reads the value. */
class MatrixSink implements ValueSink {
  readonly #params: RowsParams;
  #sink: ValueSink | undefined;

  constructor(params: RowsParams) {
    this.#params = params;
  }

  feed(chunk: Uint8Array, at: number): number {
    this.#sink ??= chunk[at] === byte.openArray ? new RowsSink(this.#params) : otherForm(this.#params.field);
    return this.#sink.feed(chunk, at);
  }

  get done(): boolean {
    return this.#sink?.done ?? false;
  }

  value(): unknown {
    return this.#sink?.value();
  }

  drain(): Promise<void> | undefined {
    return this.#sink?.drain?.();
  }
}

function otherForm(field: string): ValueSink {
  return new RawValueSink({ field, limit: referenceText });
}

/**
 * Buffers of the usual size are used again: each is most of a MiB, and making it anew for every small matrix
 * would cost more than parsing it, in fresh pages and in collections of garbage.
 */
const usualBuffer = spillElements + 64 * 1024;
const smallBuffer = 4 * 1024;
const mostSpares = 16;
const spares: Float64Array<ArrayBuffer>[] = [];

function giveBack(buffer: Float64Array<ArrayBuffer>): void {
  if (buffer.length === usualBuffer && spares.length < mostSpares) spares.push(buffer);
}

/** What must come next. */
const State = { matrix: 0, row: 1, number: 2, afterNumber: 3, afterRow: 4, done: 5 } as const;
type State = (typeof State)[keyof typeof State];

/**
 * The rows parser. `readNumbers` takes the runs of numbers; this class takes the brackets, and byte by byte
 * whatever a run leaves: the numbers at the end of a chunk, the rare hard ones, and all errors.
 *
 * Memory: elements wait in one buffer, at most half a MiB and what one chunk can hold (4 times its bytes), while
 * another of that size is being written.
 */
class RowsSink implements ValueSink {
  readonly #field: string;
  readonly #makeWriter: () => Promise<BlobWriter>;
  readonly #maxElements: number;
  #state: State = State.matrix;
  /** The text of a number whose end is not yet seen. */
  #token = '';
  /** Elements that are not yet written. */
  #out: Float64Array<ArrayBuffer> = new Float64Array(0);
  readonly #run: NumberRun = { at: 0, count: 0, afterNumber: false };
  /** Index in `#out` of the current row's first element; negative once it is written. */
  #rowStart = 0;
  #rows = 0;
  #cols = 0;
  #text = 0;
  #writer: BlobWriter | undefined;
  #flight: Promise<void> | undefined;
  #offset = 0;
  #written = 0;
  #inline: number[][] | undefined;

  constructor({ field, writer, maxElements }: RowsParams) {
    this.#field = field;
    this.#makeWriter = writer;
    this.#maxElements = maxElements;
  }

  get done(): boolean {
    return this.#state === State.done;
  }

  feed(chunk: Uint8Array, at: number): number {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#reserve(((chunk.length - at) >>> 1) + 1);
    let p = at;
    while (p < chunk.length && !this.done) {
      p = this.#state === State.number ? this.#numbers(chunk, view, p) : this.#punctuation(chunk, p);
    }
    this.#text += p - at;
    if (this.done) this.#settle();
    return p;
  }

  value(): number[][] | RawBlob {
    if (this.#inline !== undefined) return this.#inline;
    if (!this.done || this.#writer === undefined || this.#run.count > 0) {
      throw new Error(`The matrix ${this.#field} is not written yet`);
    }
    return {
      blob: this.#writer.id,
      offset: this.#offset,
      rows: this.#rows,
      cols: this.#cols,
      dtype: 'float64',
      order: 'C',
    };
  }

  drain(): Promise<void> | undefined {
    const { count } = this.#run;
    const wanted = this.done ? count > 0 : count >= spillElements;
    return wanted && this.#inline === undefined ? this.#write() : undefined;
  }

  /** One buffer is on its way to the blob while the next chunks fill another. */
  async #write(): Promise<void> {
    await this.#flight;
    if (this.#writer === undefined) {
      this.#writer = await this.#makeWriter();
      this.#offset = this.#writer.size;
    }
    const { count } = this.#run;
    if (this.#writer.size !== this.#offset + this.#written * Float64Array.BYTES_PER_ELEMENT) {
      throw new Error(`Something else was written into the middle of the matrix ${this.#field}`);
    }
    const full = this.#out;
    this.#out = new Float64Array(0);
    this.#written += count;
    this.#rowStart -= count;
    this.#run.count = 0;
    const bytes = new Uint8Array(full.buffer, 0, count * Float64Array.BYTES_PER_ELEMENT);
    this.#flight = this.#writer.write(bytes).then(() => giveBack(full));
    this.#flight.catch(() => undefined); // thrown where it is awaited: by the next write, or here
    if (this.done) await this.#flight;
  }

  /** Makes room for `more` elements, so that the loop over numbers need not ask; at most once per chunk size. */
  #reserve(more: number): void {
    const { count } = this.#run;
    if (count + more <= this.#out.length) return;
    const wanted = (count === 0 ? 0 : Math.max(count, spillElements)) + more;
    const usual = wanted > smallBuffer && wanted <= usualBuffer;
    const grown = (usual ? spares.pop() : undefined) ?? new Float64Array(usual ? usualBuffer : wanted);
    grown.set(this.#out.subarray(0, count));
    giveBack(this.#out);
    this.#out = grown;
  }

  /** Takes numbers and the commas between them: a run of them, or one that `readNumbers` left. */
  #numbers(chunk: Uint8Array, view: DataView, at: number): number {
    const run = this.#run;
    let p = at;
    if (this.#token === '') {
      p = skipSpace(chunk, p);
      run.at = p;
      readNumbers(chunk, view, run, this.#out, Math.min(this.#out.length, this.#maxElements - this.#written));
      if (run.afterNumber) this.#state = State.afterNumber;
      if (run.at > p || p === chunk.length) return run.at;
    }
    let end = p;
    while (end < chunk.length && isNumberByte(chunk[end]!)) end++;
    this.#token += Buffer.from(chunk.buffer, chunk.byteOffset + p, end - p).toString('latin1');
    if (this.#token.length > longestNumber) {
      this.#refuse(`a number is longer than ${longestNumber} characters`);
    }
    if (end === chunk.length) return end;
    if (this.#token === '') this.#refuseByte(chunk[end]!, 'a number');
    this.#push(this.#token);
    this.#token = '';
    this.#state = State.afterNumber;
    return end;
  }

  #push(text: string): void {
    const value = parseNumber(text);
    const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
    if (value === undefined) this.#refuse(`"${shown}" is not a JSON number`);
    if (!Number.isFinite(value)) this.#refuse(`${shown} is beyond double range`);
    const { count } = this.#run;
    if (this.#written + count >= this.#maxElements) {
      this.#fail('limit-exceeded', `more than ${this.#maxElements} elements, the limit for a matrix`);
    }
    this.#out[count] = value;
    this.#run.count = count + 1;
  }

  #punctuation(chunk: Uint8Array, at: number): number {
    const p = skipSpace(chunk, at);
    if (p === chunk.length) return p;
    const c = chunk[p]!;
    if (this.#state === State.matrix) {
      this.#state = State.row;
    } else if (this.#state === State.row) {
      if (c === byte.closeArray && this.#rows === 0) {
        this.#fail('invalid-matrix', 'the matrix is empty; it needs at least one row');
      }
      if (c !== byte.openArray) this.#refuseByte(c, "a row, which begins with '['");
      this.#state = State.number;
    } else if (this.#state === State.afterNumber) {
      if (c === byte.closeArray) this.#endRow();
      else if (c === byte.comma) this.#state = State.number;
      else this.#refuseByte(c, "',' or ']'");
    } else {
      if (c === byte.closeArray) this.#state = State.done;
      else if (c === byte.comma) this.#state = State.row;
      else this.#refuseByte(c, "',' or ']' after the row");
    }
    return p + 1;
  }

  #endRow(): void {
    const { count } = this.#run;
    const length = count - this.#rowStart;
    if (this.#rows === 0) this.#cols = length;
    this.#rows++;
    if (length !== this.#cols) {
      const detail = `row ${this.#rows} has ${length} elements, the rows before it have ${this.#cols}`;
      this.#fail('invalid-matrix', detail);
    }
    this.#rowStart = count;
    this.#state = State.afterRow;
  }

  /** Decides where a complete matrix lives. Rows are checked as JSON too: 1e99 is shorter than what JSON writes. */
  #settle(): void {
    if (this.#written > 0 || this.#text > inlineText) return;
    const elements = this.#out.subarray(0, this.#run.count);
    if (elements.some((element) => Object.is(element, -0))) return;
    const rows = Array.from({ length: this.#rows }, (_, row) =>
      Array.from(elements.subarray(row * this.#cols, (row + 1) * this.#cols)),
    );
    if (JSON.stringify(rows).length > inlineText) return;
    this.#inline = rows;
    giveBack(this.#out);
    this.#out = new Float64Array(0);
  }

  #refuseByte(c: number, expected: string): never {
    const column = this.#run.count - this.#rowStart;
    if (this.#state === State.number && column === 0 && c === byte.closeArray) {
      this.#fail('invalid-matrix', `row ${this.#rows + 1} is empty; rows need at least one element`);
    }
    this.#refuse(unexpected(c, expected) + hint(c));
  }

  /** Refuses what stands at the current row and column. */
  #refuse(detail: string): never {
    const inRow = this.#state === State.number || this.#state === State.afterNumber;
    const column = this.#run.count - this.#rowStart + (this.#state === State.number ? 1 : 0);
    const row = this.#state === State.afterRow ? this.#rows : this.#rows + 1;
    this.#fail('invalid-matrix', `row ${row}${inRow ? `, column ${column}` : ''}: ${detail}`);
  }

  #fail(code: ErrorCode, detail: string): never {
    throw new DrayError(code, `${this.#field}: ${detail}`, { field: this.#field });
  }
}

/** Digits, sign, point and exponent mark: what a number may hold, in any order. */
function isNumberByte(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || c === 0x2b || c === 0x2d || c === 0x2e || c === 0x45 || c === 0x65;
}

function hint(c: number): string {
  if (c === 0x4e || c === 0x49) return ': send such a matrix as .npy';
  if (c === byte.openArray) return '; a matrix is a list of rows of numbers';
  if (c === byte.quote) return '; numbers are written without quotes';
  return '';
}
