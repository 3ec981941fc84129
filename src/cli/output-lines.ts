/** What a job prints, as lines of this command's own output. */
import { stripVTControlCharacters } from 'node:util';
import type { Stream } from './terminal.js';

/** A line that goes on beyond so many characters is broken. */
const longestLine = 16_384;

export class OutputLines {
  readonly #out: Stream;
  readonly #above: (write: () => void) => void;
  /** The beginning of a line whose end has not come. */
  #rest = '';

  /** @param above runs what writes whole lines, so that no bar is in its way. */
  constructor(out: Stream, above: (write: () => void) => void) {
    this.#out = out;
    this.#above = above;
  }

  write(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    if (this.#rest.length > longestLine) {
      lines.push(this.#rest);
      this.#rest = '';
    }
    this.#print(lines);
  }

  /** Prints a last line that has no end. */
  end(): void {
    if (this.#rest !== '') this.#print([this.#rest]);
    this.#rest = '';
  }

  #print(lines: readonly string[]): void {
    if (lines.length === 0) return;
    const shown = this.#out.isTTY === true ? lines.map(harmless) : lines;
    this.#above(() => void this.#out.write(`${shown.join('\n')}\n`));
  }
}

/** On a terminal nothing that moves the cursor: the text is another's. Of a line that was written over, the last part. */
function harmless(line: string): string {
  const last = line.replace(/\r+$/, '').split('\r').at(-1)!;
  return stripVTControlCharacters(last).replaceAll(/(?!\t)\p{Cc}/gu, '');
}
