import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogPosition } from './log-position.js';

/** A line as the kubelet has it: when it was written down, in ns since the epoch, and its text. */
interface Line {
  readonly at: bigint;
  readonly text: string;
}

const begin = 1_790_000_000n * 1_000_000_000n;

function stamp(at: bigint): string {
  const seconds = new Date(Number(at / 1_000_000_000n) * 1_000).toISOString().slice(0, 19);
  return `${seconds}.${String(at % 1_000_000_000n).padStart(9, '0')}Z`;
}

/** What the kubelet answers; `since` in ms. The last line may lack its end. */
function answer(lines: readonly Line[], since: number | undefined): Buffer {
  const wanted = lines.filter(({ at }) => since === undefined || at >= BigInt(since) * 1_000_000n);
  return Buffer.from(wanted.map(({ at, text }) => `${stamp(at)} ${text}`).join(''));
}

/** Lines whose times differ by up to 1.5 s, and may be a little out of order. */
const someLines = fc
  .array(
    fc.record({
      step: fc.oneof(fc.constant(0), fc.nat(50), fc.nat(1_500_000_000)),
      back: fc.nat(1_000),
      text: fc.oneof(
        fc.string({ unit: 'binary', maxLength: 12 }),
        fc.constantFrom('', 'same', '2026-01-01T00:00:00Z x'),
      ),
    }),
    { maxLength: 20 },
  )
  .map((steps) => {
    let at = begin;
    return steps.map(({ step, back, text }, index): Line => {
      at += BigInt(step);
      const end = index === steps.length - 1 && text.length % 2 === 0 ? '' : '\n';
      return { at: at - BigInt(index === 0 ? 0 : back), text: text.replaceAll('\n', ' ') + end };
    });
  });

describe('the position in a log', () => {
  test('gives every byte once, wherever the connection breaks', () => {
    fc.assert(
      fc.property(
        someLines,
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.integer({ min: 1, max: 40 }),
        (lines, cuts, size) => {
          const position = new LogPosition();
          let read = '';
          for (const cut of [...cuts, undefined]) {
            const bytes = answer(lines, position.begin());
            const got = cut === undefined ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
            for (let at = 0; at < got.length; at += size) {
              read += Buffer.from(position.take(got.subarray(at, at + size))).toString('latin1');
            }
          }
          expect(read).toBe(Buffer.from(lines.map(({ text }) => text).join('')).toString('latin1'));
        },
      ),
    );
  });

  test('goes on with what is there where its place has been rotated away', () => {
    const position = new LogPosition();
    const old = { at: begin, text: 'old\n' };
    position.begin();
    position.take(answer([old, { at: begin + 5n, text: 'gone\n' }], undefined));
    const kept = { at: begin + 9n, text: 'kept\n' };
    const since = position.begin();
    expect(Buffer.from(position.take(answer([kept], since))).toString()).toBe('kept\n');
  });

  test('leaves out what the node says in place of the log', () => {
    const position = new LogPosition();
    position.begin();
    const said = Buffer.from(`unable to retrieve container logs\n${stamp(begin)} mine\n`);
    expect(Buffer.from(position.take(said)).toString()).toBe('mine\n');
  });

  test('reads timestamps of every zone', () => {
    const position = new LogPosition();
    position.begin();
    position.take(Buffer.from('2026-03-01T01:30:00.5+01:00 a\n2026-03-01T00:30:00.500000001Z b\n'));
    expect(position.begin()).toBe(Date.parse('2026-03-01T00:29:59Z'));
    const again = Buffer.from(
      '2026-03-01T01:30:00.5+01:00 a\n2026-03-01T00:30:00.500000001Z b\n2026-03-01T00:30:01Z c\n',
    );
    expect(Buffer.from(position.take(again)).toString()).toBe('c\n');
  });
});
