import { describe, expect, test } from 'vitest';
import { RawValueSink } from './raw.js';

function read(text: string | Uint8Array, params: { limit?: number; depth?: number } = {}): unknown {
  const sink = new RawValueSink({ field: 'input.x', ...params });
  const bytes = Buffer.concat([Buffer.from(text), Buffer.from(',')]);
  expect(sink.feed(bytes, 0)).toBe(bytes.length - 1);
  expect(sink.done).toBe(true);
  return sink.value();
}

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('a value', () => {
  test('is read to its last bit', () => {
    for (const text of ['0.1', '-0', '5e-324', '1.7976931348623157e308', '123456789012345678', '1E+2']) {
      expect(Object.is(read(text), Number(text))).toBe(true);
    }
  });

  test('that is a number ends before what cannot belong to it', () => {
    const sink = new RawValueSink({ field: 'x' });
    expect(sink.feed(Buffer.from(' 12'), 1)).toBe(3);
    expect(sink.done).toBe(false);
    expect(sink.feed(Buffer.from('}'), 0)).toBe(0);
    expect(sink.done).toBe(true);
    expect(sink.value()).toBe(12);
  });

  test.each([
    ['1e999', 'input.x'],
    ['-1e400', 'input.x'],
    [`1${'0'.repeat(309)}`, 'input.x'],
    ['[1, [2, -1e999]]', 'input.x[1][1]'],
    ['{"a": [{"b": 1e309}]}', 'input.x.a[0].b'],
  ])('beyond double range is refused: %s', (text, field) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({
        code: 'invalid-json',
        message: `${field}: the number is beyond double range`,
        field,
      }),
    );
  });

  test('may hold in strings what looks like too large a number', () => {
    expect(read('["1e999", "\\"1e999"]')).toEqual(['1e999', '"1e999']);
  });

  test.each([
    ['NaN', "'NaN' is not a JSON value; NaN and Infinity are not JSON", 0],
    ['-Infinity', "expected a digit, found 'I'; NaN and Infinity are not JSON", 1],
    ['[1, Infinity]', "'Infinity' is not a JSON value; NaN and Infinity are not JSON", 4],
    ['[1, 2,]', "expected a value, found ']'", 6],
    ['[1 2]', "expected ',' or ']', found '2'", 3],
    ['[1}', "expected ',' or ']', found '}'", 2],
    ['{"a": 1, b}', "expected a key in double quotes, found 'b'", 9],
    ['{"a"; 1}', "expected ':', found ';'", 4],
    ['{"a": 1; }', "expected ',' or '}', found ';'", 7],
    ['012', 'numbers have no leading zeros', 0],
    ['[-01]', 'numbers have no leading zeros', 2],
    ['+1', "expected a value, found '+'", 0],
    ['.5', "expected a value, found '.'", 0],
    ['1.', 'expected a digit, found the end', 2],
    ['[1.e5]', "expected a digit, found 'e'", 3],
    ['1e+', 'expected a digit, found the end', 3],
    ['0x10', "expected the end of the number, found 'x'", 1],
    ['True', "'True' is not a JSON value", 0],
    ['"\\x"', 'this escape does not exist in JSON', 1],
    ['"\\u12g4"', "expected four hexadecimal digits, found 'g'", 5],
    ['["a\tb"]', 'control characters in strings must be escaped', 3],
    ["'a'", "expected a value, found '''", 0],
    ['[/* no */]', "expected a value, found '/'", 1],
  ])('is refused with its place: %s', (text, detail, at) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ code: 'invalid-json', message: `input.x: ${detail}`, field: 'input.x', at }),
    );
  });

  test('is refused where it is not UTF-8', () => {
    expect(() => read(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toThrow('input.x: the text is not UTF-8');
    expect(() => read(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toThrow('input.x: the text is not UTF-8');
  });

  test('may nest as deep as the limit and no deeper', () => {
    expect(read(nested(64))).toEqual(JSON.parse(nested(64)));
    expect(() => read(nested(65))).toThrow(
      expect.objectContaining({
        code: 'limit-exceeded',
        message: 'input.x: nests deeper than the limit of 64 levels',
      }),
    );
    expect(() => read('[{"a":[]}]', { depth: 2 })).toThrow('deeper');
  });

  test('that is a depth bomb is refused before it ends', () => {
    const sink = new RawValueSink({ field: 'input.x' });
    expect(() => sink.feed(Buffer.alloc(1_000_000, '['), 0)).toThrow('nests deeper');
  });

  test('may be as large as the limit and no larger, in whatever chunks', () => {
    const text = `"${'x'.repeat(1_022)}"`;
    expect(read(text, { limit: 1_024 })).toHaveLength(1_022);
    expect(read('1234', { limit: 4 })).toBe(1_234);
    const refusal = expect.objectContaining({
      code: 'limit-exceeded',
      field: 'input.x',
      message: expect.stringContaining('larger than 1 KiB') as string,
    }) as Error;
    expect(() => read(`${text} `.replace('x', 'xx'), { limit: 1_024 })).toThrow(refusal);
    const sink = new RawValueSink({ field: 'input.x', limit: 1_024 });
    const bytewise = () => {
      for (let index = 0; index < 2_000; index++) sink.feed(Buffer.from(index === 0 ? '"' : 'x'), 0);
    };
    expect(bytewise).toThrow(refusal);
  });

  test('does not change when its chunk is reused', () => {
    const sink = new RawValueSink({ field: 'input.x' });
    const chunk = Buffer.from('["abc');
    sink.feed(chunk, 0);
    chunk.fill(0);
    sink.feed(Buffer.from('def"]'), 0);
    expect(sink.value()).toEqual(['abcdef']);
  });
});
