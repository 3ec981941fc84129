import { describe, expect, test } from 'vitest';
import { DrayError } from '../jobs/errors.js';
import { ObjectSink } from './object.js';
import { RawValueSink } from './raw.js';
import type { ValueSink } from './sink.js';

/** Feeds the text as one chunk, and byte by byte: both must say the same. */
function read(text: string, field = ''): unknown {
  const make = () =>
    new ObjectSink((key) => {
      if (key === 'unknown') throw new DrayError('invalid-request', 'unknown: not known here');
      return new RawValueSink({ field: field === '' ? key : `${field}.${key}` });
    }, field);
  const bytes = Buffer.from(text);
  const whole = attempt(() => {
    const sink = make();
    expect(sink.feed(bytes, 0)).toBe(bytes.length);
    return sink;
  });
  const parts = attempt(() => {
    const sink = make();
    for (const c of bytes) expect(sink.feed(Uint8Array.of(c), 0)).toBe(1);
    return sink;
  });
  expect(parts).toEqual(whole);
  return whole;
}

function attempt(run: () => ValueSink): unknown {
  try {
    const sink = run();
    expect(sink.done).toBe(true);
    return sink.value();
  } catch (error) {
    if (!(error instanceof DrayError)) throw error;
    return { code: error.code, message: error.message, field: error.field };
  }
}

describe('an object', () => {
  test('has its members in order, in any white space', () => {
    expect(read('{ "b" : [1, {"x": null}] ,\n\t"a":\r"}" }')).toEqual({ b: [1, { x: null }], a: '}' });
    expect(Object.keys(read('{"b":1,"a":2}') as object)).toEqual(['b', 'a']);
  });

  test('may be empty', () => {
    expect(read('{}')).toEqual({});
    expect(read('{ \n}')).toEqual({});
  });

  test('may have keys with escapes, and empty ones', () => {
    expect(read('{"a\\n\\u00e9\\"\\\\": 1, "": 2, "é😀": 3}')).toEqual({ 'a\né"\\': 1, '': 2, 'é😀': 3 });
  });

  test('keeps a member named __proto__ a mere member', () => {
    const value = read('{"__proto__": {"admin": true}}') as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(value.admin).toBeUndefined();
  });

  test('takes a key of 256 bytes and none longer', () => {
    const key = 'k'.repeat(256);
    expect(read(`{"${key}": 1}`)).toEqual({ [key]: 1 });
    expect(read(`{"${key}k": 1}`)).toMatchObject({ message: 'the body: a key is longer than 256 bytes' });
    expect(read(`{"${'k'.repeat(10_000)}`)).toMatchObject({ code: 'invalid-json' });
  });

  test.each([
    ['a key that comes twice', '{"a": 1, "a": 2}', 'input.a: the key comes twice in its object'],
    ['the same key in other words', '{"a": 1, "\\u0061": 2}', 'input.a: the key comes twice in its object'],
    ['a comma at the end', '{"a": 1,}', "input: expected a key in double quotes, found '}'"],
    ['two commas', '{"a": 1,,', "input: expected a key in double quotes, found ','"],
    ['a key without quotes', '{a: 1}', "input: expected a key in double quotes, found 'a'"],
    ['no colon', '{"a" 1}', "input: expected ':', found '1'"],
    ['no comma', '{"a": "x" "b"', "input: expected ',' or '}', found '\"'"],
    ['no value', '{"a": }', "input.a: expected a value, found '}'"],
    ['single quotes', "{'a': 1}", "input: expected a key in double quotes, found '''"],
    ['a raw line break in a key', '{"a\n": 1}', 'input: control characters in keys must be escaped'],
    ['a wrong escape in a key', '{"\\x": 1}', 'input: this escape does not exist in JSON'],
    ['NaN', '{"a": NaN}', "input.a: 'NaN' is not a JSON value; NaN and Infinity are not JSON"],
    ['a wrong bracket', '{"a": 1]', "input: expected ',' or '}', found ']'"],
    ['NaN instead of an object', 'NaN', "input: expected '{', found 'N'; NaN and Infinity are not JSON"],
  ])('is malformed: %s', (_, text, message) => {
    expect(read(text, 'input')).toMatchObject({ code: 'invalid-json', message });
  });

  test('is refused where a key is not UTF-8', () => {
    const sink = new ObjectSink((key) => new RawValueSink({ field: key }));
    expect(() => sink.feed(Buffer.from([0x7b, 0x22, 0xff, 0x22]), 0)).toThrow('a key is not UTF-8');
  });

  test.each(['[1]', '"x"', '12', 'true', 'null'])('is not any other value: %s', (text) => {
    expect(read(text)).toMatchObject({ code: 'invalid-request', message: 'the body: must be a JSON object' });
  });

  test('passes on what refuses a key', () => {
    expect(read('{"unknown": 1}')).toMatchObject({ code: 'invalid-request' });
  });

  test('ends at its bracket and leaves what follows', () => {
    const sink = new ObjectSink((key) => new RawValueSink({ field: key }));
    const bytes = Buffer.from('..{"a": 1}  ,');
    expect(sink.feed(bytes, 2)).toBe(10);
    expect(sink.done).toBe(true);
  });
});

test('drains the members of a chunk one after the other, in their order, and once', async () => {
  const events: string[] = [];
  const sink = new ObjectSink((key) => {
    const inner = new RawValueSink({ field: key });
    if (key === 'plain') return inner;
    return {
      feed: (chunk, at) => inner.feed(chunk, at),
      get done() {
        return inner.done;
      },
      value: () => inner.value(),
      drain: async () => {
        events.push(`${key} begins`);
        await Promise.resolve();
        events.push(`${key} ends`);
      },
    };
  });
  sink.feed(Buffer.from('{"a": [1], "plain": 2, "b": [3'), 0);
  await sink.drain();
  expect(events).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  expect(sink.drain()).toBeUndefined();
  sink.feed(Buffer.from(']}'), 0);
  await sink.drain();
  expect(events.slice(4)).toEqual(['b begins', 'b ends']);
});
