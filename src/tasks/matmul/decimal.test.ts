import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNumber, readNumbers, type NumberRun } from './decimal.js';

interface Result extends NumberRun {
  values: number[];
  /** Numbers that the run left to `Number`. */
  left: number;
}

/** Reads comma-separated texts; what the run leaves is taken by `Number`, as the rows parser does. */
function read(texts: readonly string[]): Result {
  const bytes = Buffer.from(texts.join(',') + ']'.padEnd(80));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const out = new Float64Array(texts.length);
  const run: NumberRun = { at: 0, count: 0, afterNumber: false };
  let left = 0;
  for (;;) {
    readNumbers(bytes, view, run, out, texts.length);
    if (run.afterNumber || run.count === texts.length) break;
    const text = texts[run.count]!;
    expect(bytes.toString('latin1', run.at, run.at + text.length)).toBe(text);
    out[run.count++] = Number(text);
    run.at += text.length + 1;
    left++;
  }
  return { ...run, values: [...out], left };
}

function expectSame(texts: readonly string[]): void {
  expect(read(texts).values).toStrictEqual(texts.map((text) => JSON.parse(text) as number));
}

const digits = (min: number, max: number): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: max }).map((list) => list.join(''));
const integerPart = digits(1, 25).map((text) => text.replace(/^0+(?=.)/, ''));
const exponent = fc
  .tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), fc.integer({ min: 0, max: 330 }))
  .map((parts) => parts.join(''));
const decimalText = fc
  .tuple(
    fc.constantFrom('', '-'),
    integerPart,
    fc.option(digits(1, 25), { nil: undefined }),
    fc.option(exponent, { nil: '' }),
  )
  .map(
    ([sign, whole, fraction, power]) => sign + whole + (fraction === undefined ? '' : `.${fraction}`) + power,
  );

/** The exact decimal text of the point half-way between a double and its upper neighbour. */
function halfway(value: number): string {
  const bits = new BigUint64Array(Float64Array.of(value).buffer)[0]!;
  const exponentBits = Number(bits >> 52n);
  const mantissa = (bits & ((1n << 52n) - 1n)) | (exponentBits > 0 ? 1n << 52n : 0n);
  const power = Math.max(exponentBits, 1) - 1075 - 1; // of two, of the odd number below
  const odd = 2n * mantissa + 1n;
  if (power >= 0) return (odd << BigInt(power)).toString();
  const text = (odd * 5n ** BigInt(-power)).toString().padStart(1 - power, '0');
  return `${text.slice(0, power)}.${text.slice(power)}`;
}

describe('readNumbers', () => {
  it('gives every double back from its shortest text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }),
        (values) => {
          expectSame(values.map((value) => JSON.stringify(value)));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('gives doubles of everyday size back from their shortest text', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 }), (values) => {
        expectSame(values.map((value) => (Object.is(value, -0) ? '-0' : String(value))));
      }),
      { numRuns: 2_000 },
    );
  });

  it('agrees with JSON.parse on any decimal text', () => {
    fc.assert(fc.property(fc.array(decimalText, { minLength: 1, maxLength: 20 }), expectSame), {
      numRuns: 5_000,
    });
  });

  it('agrees with JSON.parse on ties and on texts one digit beside them', () => {
    fc.assert(
      fc.property(fc.double({ min: Number.MIN_VALUE, max: 1e30, noNaN: true }), (value) => {
        const tie = halfway(value);
        const pointed = tie.includes('.') ? tie : `${tie}.`;
        expectSame(
          [tie, `${pointed}0001`, tie.slice(0, 17), tie.slice(0, 18), tie.slice(0, 19)].map(trimPoint),
        );
      }),
      { numRuns: 2_000 },
    );
    for (const tie of ['9007199254740993', '9007199254740995', '-9007199254740993.0', '4503599627370497.5']) {
      expect(read([tie])).toMatchObject({ values: [JSON.parse(tie)], left: 1 });
    }
  });

  it('agrees with JSON.parse at the edges of the format', () => {
    expectSame(
      (
        '0 -0 -0.0 -0e-5 0e999 0E-999 0.0000000000000000000000000000 1E+05 1e-05 1e00005 1e308 1e-308 5e-324 ' +
        '2.4703282292062327e-324 2.4703282292062328e-324 1.7976931348623157e308 2.2250738585072011e-308 ' +
        '2.2250738585072014e-308 1e22 1e23 9007199254740991 9007199254740992 18446744073709551615 ' +
        '123456789012345678901234567890 0.1 0.30000000000000004 100000000000000000000000 1e250 1e251 1e-250 ' +
        '1e-251 1e15 999999999999999 9999999999999999 99999999999999999999 0.000001 1.0000000000000000000001 ' +
        '00.5'.slice(1)
      ).split(' '),
    );
  });

  it('leaves practically nothing of everyday data to Number', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1000, max: 1000, noNaN: true }), { minLength: 100, maxLength: 100 }),
        (values) => {
          const texts = values.filter((value) => value === 0 || Math.abs(value) > 1e-200).map(String);
          expect(read(texts).left).toBe(0);
        },
      ),
    );
  });

  it.each([
    ...['01', '-01', '00', '+1', '.5', '1.', '1.e5', '-', '--1', '-.5', '1e', '1e+', '1e-', 'e5', '-e5'],
    ...[
      'NaN',
      'Infinity',
      '-Infinity',
      'null',
      '"1"',
      '[1]',
      ']',
      '',
      '0x10',
      '1.5.5',
      '1e5e5',
      '1-2',
      '1 2',
    ],
  ])('never takes "%s" for a number between commas', (bad) => {
    const bytes = Buffer.from(`1,${bad},3]`.padEnd(100));
    const run: NumberRun = { at: 0, count: 0, afterNumber: false };
    readNumbers(
      bytes,
      new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
      run,
      new Float64Array(9),
      9,
    );
    const rest = bytes.toString('latin1', run.at).trimEnd();
    // Either it stands before the text, or behind a leading part that is a number and that no comma follows.
    if (run.afterNumber) {
      expect(run.count).toBe(2);
      expect(rest.startsWith(',')).toBe(false);
      expect(rest.length).toBeGreaterThan(',3]'.length);
    } else {
      expect(run.count).toBe(1);
      expect(rest).toBe(`${bad},3]`);
    }
  });

  it('stops at the given number of elements, before the next one', () => {
    const bytes = Buffer.from('1,2,3,4]'.padEnd(100));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const run: NumberRun = { at: 0, count: 0, afterNumber: false };
    readNumbers(bytes, view, run, new Float64Array(9), 2);
    expect(run).toStrictEqual({ at: 4, count: 2, afterNumber: false });
  });

  it('stays inside of the bytes wherever they end', () => {
    const text =
      '-0.12345678901234567,1e-7,12345678901234567890,0.000000000000000000000000000000000000001,'.repeat(3);
    for (let length = 0; length <= text.length; length++) {
      const bytes = Buffer.from(text).subarray(0, length);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const run: NumberRun = { at: 0, count: 0, afterNumber: false };
      readNumbers(bytes, view, run, new Float64Array(20), 20);
      expect(run.at).toBeLessThanOrEqual(length);
    }
  });

  it('stays inside of the bytes where digits never end', () => {
    for (const text of [
      '0.'.padEnd(200, '0'),
      '1'.padEnd(200, '0'),
      `1e${'0'.repeat(200)}`,
      '-'.repeat(200),
    ]) {
      for (let from = 0; from < 100; from++) {
        const bytes = Buffer.concat([Buffer.from('7,'.repeat(from)), Buffer.from(text)]);
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        const run: NumberRun = { at: 0, count: 0, afterNumber: false };
        readNumbers(bytes, view, run, new Float64Array(200), 200);
        expect(run).toStrictEqual({ at: 2 * from, count: from, afterNumber: false });
      }
    }
  });
});

function trimPoint(text: string): string {
  return text.replace(/\.$/, '');
}

describe('parseNumber', () => {
  it('takes what JSON.parse takes as a number, and nothing else', () => {
    const anything = fc.string({
      unit: fc.constantFrom(...'0123456789+-.eE'.split('')),
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(fc.oneof(anything, decimalText), (text) => {
        let expected: number | undefined;
        try {
          expected = JSON.parse(text) as number;
        } catch {
          expected = undefined;
        }
        expect(parseNumber(text)).toBe(expected);
      }),
      { numRuns: 5_000 },
    );
  });
});
