/**
 * Where a reader of a pod's log is, so that it goes on after a broken connection without loss and without doubles.
 *
 * The log is asked for with timestamps, one before each line, and from a second on. The lines of the two streams are
 * in the order in which they were written down, which for neighbours may differ from that of their timestamps. So the
 * place is kept as: the latest timestamp that was read, how many lines had it, and how many lines came after the last
 * of those. A second reading begins before that line, and is left out up to there.
 *
 * Not kept: what a node has rotated away while the connection was broken (by default, all but the latest 10 MiB), and
 * lines after a jump of the node's clock by seconds to the past, where the connection breaks right then.
 */

interface Stamp {
  /** Milliseconds since the epoch, of the second. */
  readonly second: number;
  readonly nanoseconds: number;
}

interface Mark {
  readonly stamp: Stamp;
  /** Lines read that have it. */
  readonly equal: number;
  /** Lines read after the last one that has it. */
  readonly after: number;
}

type Line =
  /** Its timestamp is being read. */
  | { readonly kind: 'head'; text: string }
  /** `left` bytes of it were read before. */
  | { readonly kind: 'new'; readonly stamp: Stamp; left: number }
  | { readonly kind: 'old' };

/** A timestamp of the kubelet has 35 characters at most. */
const mostStamp = 64;
/** A line that is still to be read may have been stamped before the latest one, though it was written after it. */
const marginMs = 1_000;
const newline = 0x0a;
const blank = 0x20;

export class LogPosition {
  /** Of the whole lines that were read. */
  #mark: Mark | undefined;
  /** The earliest second of the marked line and of those after it, in ms. */
  #since = Infinity;
  /** Bytes read of the line after these, and its second. */
  #begun = 0;
  #begunSecond = Infinity;
  /** In this reading: what is still left out until the place is reached. */
  #ahead: Mark | undefined;
  #line: Line = { kind: 'head', text: '' };

  /** Begins a reading. @returns from when on, in ms since the epoch and in whole seconds; undefined for all. */
  begin(): number | undefined {
    this.#ahead = this.#mark;
    this.#line = { kind: 'head', text: '' };
    const since = Math.min(this.#since, this.#begun > 0 ? this.#begunSecond : Infinity);
    return since === Infinity ? undefined : since - marginMs;
  }

  /** @returns what of a chunk is new, without the timestamps; a part of a line is given as it comes. */
  take(chunk: Uint8Array): Uint8Array {
    const fresh: Uint8Array[] = [];
    for (let at = 0; at < chunk.length;) {
      const found = chunk.indexOf(this.#line.kind === 'head' ? blank : newline, at);
      const end = found < 0 ? chunk.length : found + 1;
      const part = chunk.subarray(at, end);
      at = end;
      if (this.#line.kind === 'head') {
        this.#readHead(this.#line.text + Buffer.from(part).toString('latin1'), found >= 0);
        continue;
      }
      if (this.#line.kind === 'new') {
        const left = Math.min(this.#line.left, part.length);
        this.#line.left -= left;
        this.#begun += part.length - left;
        if (left < part.length) fresh.push(part.subarray(left));
      }
      if (found >= 0) this.#endLine(this.#line);
    }
    return fresh.length === 1 ? fresh[0]! : Buffer.concat(fresh);
  }

  /** What comes without a timestamp is not of the container: its node says that the log cannot be read, say. */
  #readHead(text: string, complete: boolean): void {
    const lines = text.split('\n');
    const head = lines.at(-1)!.slice(0, mostStamp);
    if (!complete) {
      this.#line = { kind: 'head', text: head };
      return;
    }
    const stamp = stampOf(head.trimEnd());
    if (!stamp || this.#leavesOut(stamp)) {
      this.#line = { kind: 'old' };
      return;
    }
    this.#line = { kind: 'new', stamp, left: this.#begun };
    this.#begunSecond = stamp.second;
  }

  /** Whether a line lies before the place, or is the last one there. */
  #leavesOut(stamp: Stamp): boolean {
    const ahead = this.#ahead;
    if (!ahead) return false;
    if (ahead.equal === 0) {
      this.#ahead = ahead.after > 1 ? { ...ahead, after: ahead.after - 1 } : undefined;
      return true;
    }
    const order = compare(stamp, ahead.stamp);
    if (order > 0) {
      // The place is not there any more: what is later is new.
      this.#ahead = undefined;
      this.#begun = 0;
      return false;
    }
    if (order === 0) {
      const equal = ahead.equal - 1;
      this.#ahead = equal > 0 || ahead.after > 0 ? { ...ahead, equal } : undefined;
    }
    return true;
  }

  #endLine(line: Line): void {
    this.#line = { kind: 'head', text: '' };
    if (line.kind !== 'new') return;
    this.#begun = 0;
    const { stamp } = line;
    const order = this.#mark ? compare(stamp, this.#mark.stamp) : 1;
    if (order > 0) this.#mark = { stamp, equal: 1, after: 0 };
    else if (order === 0) this.#mark = { stamp, equal: this.#mark!.equal + 1, after: 0 };
    else this.#mark = { ...this.#mark!, after: this.#mark!.after + 1 };
    this.#since = order > 0 ? stamp.second : Math.min(this.#since, stamp.second);
  }
}

function compare(a: Stamp, b: Stamp): number {
  return a.second - b.second || a.nanoseconds - b.nanoseconds;
}

function stampOf(text: string): Stamp | undefined {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!found) return undefined;
  const [, second = '', fraction = '', zone = ''] = found;
  return { second: Date.parse(second + zone), nanoseconds: Number(fraction.padEnd(9, '0')) };
}
