import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DrayError } from '../jobs/errors.js';
import { ObjectSink } from './object.js';
import { RawValueSink } from './raw.js';
import { readJson } from './read.js';
import type { ValueSink } from './sink.js';

const limit = 1_000_000;

/** The bytes in chunks that end at the given places. */
async function* split(bytes: Uint8Array, ends: readonly number[]): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  let at = 0;
  for (const end of [...ends, bytes.length].sort((a, b) => a - b)) {
    const stop = Math.min(end, bytes.length);
    yield bytes.slice(at, stop);
    at = stop;
  }
}

function everyByte(bytes: Uint8Array): number[] {
  return Array.from(bytes, (_, index) => index);
}

function rawBody(): ValueSink {
  return new RawValueSink({ field: '' });
}

function objectBody(): ValueSink {
  return new ObjectSink((field) => new RawValueSink({ field }));
}

async function outcome(text: string | Uint8Array, sink: ValueSink, ends: readonly number[] = []) {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  try {
    return { value: await readJson(split(bytes, ends), sink, { limit }) };
  } catch (error) {
    if (!(error instanceof DrayError)) throw error;
    return { code: error.code, message: error.message, field: error.field };
  }
}

const spaces = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 });
const chunkEnds = fc.array(fc.nat({ max: 400 }), { maxLength: 12 });
const indent = fc.constantFrom(0, 1, '\t');

describe('any text and any chunks', () => {
  test('a value is what JSON.parse makes of it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue(),
        indent,
        spaces,
        spaces,
        chunkEnds,
        async (json, by, left, right, ends) => {
          const text = left + JSON.stringify(json, null, by) + right;
          const read = await outcome(text, rawBody(), ends);
          expect(JSON.stringify(read)).toBe(JSON.stringify({ value: JSON.parse(text) as unknown }));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('an object read by members is what JSON.parse makes of it', async () => {
    const key = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constant('__proto__'),
      fc.constant('"\\'),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, fc.jsonValue()), indent, chunkEnds, async (json, by, ends) => {
        const text = JSON.stringify(json, null, by);
        const read = await outcome(text, objectBody(), ends);
        expect(JSON.stringify(read)).toBe(JSON.stringify({ value: JSON.parse(text) as unknown }));
      }),
      { numRuns: 500 },
    );
  });

  /** A text with one piece of it changed: mostly no JSON any more. */
  const broken = fc
    .record({
      json: fc.dictionary(fc.constantFrom('a', 'b', 'c\n'), fc.jsonValue({ maxDepth: 3 })),
      at: fc.nat({ max: 60 }),
      remove: fc.nat({ max: 3 }),
      insert: fc.string({ unit: fc.constantFrom(...Array.from('{}[]",:\\0-1.eEu nN\u0001')), maxLength: 3 }),
    })
    .map(({ json, at, remove, insert }) => {
      const text = JSON.stringify(json);
      return text.slice(0, at) + insert + text.slice(at + remove);
    });

  test('is refused where JSON.parse refuses it, and nowhere else', async () => {
    await fc.assert(
      fc.asyncProperty(broken, chunkEnds, async (text, ends) => {
        const expected = parsed(text);
        const raw = await outcome(text, rawBody(), ends);
        if (expected === undefined) expect(raw).toMatchObject({ code: 'invalid-json' });
        else expect(JSON.stringify(raw)).toBe(JSON.stringify(expected));
        const read = await outcome(text, objectBody(), ends);
        if (expected === undefined) expect(read.code).toMatch(/^invalid-/);
        else if (!isObject(expected.value)) expect(read).toMatchObject({ code: 'invalid-request' });
        else if (read.message?.includes('comes twice') !== true) {
          expect(JSON.stringify(read)).toBe(JSON.stringify(expected));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('is refused in the same words however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(broken, async (text) => {
        const bytes = Buffer.from(text);
        for (const make of [rawBody, objectBody]) {
          expect(await outcome(bytes, make(), everyByte(bytes))).toEqual(await outcome(bytes, make()));
        }
      }),
      { numRuns: 500 },
    );
  });

  /** What JSON.parse makes of a text, unless it makes an infinity. */
  function parsed(text: string): { value: unknown } | undefined {
    try {
      const value: unknown = JSON.parse(text, (_, item: unknown) => {
        if (typeof item === 'number' && !Number.isFinite(item)) throw new RangeError();
        return item;
      });
      return { value };
    } catch {
      return undefined;
    }
  }

  function isObject(value: unknown): boolean {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  }
});

describe('the text as a whole', () => {
  test.each([
    ['nothing', '', 'the body is empty'],
    ['only white space', ' \n\t', 'the body is empty'],
    ['an object cut short', '{"a": [1, 2', 'the body ends at byte 11, in the middle of its value'],
    ['a string cut short', '"abc', 'the body ends at byte 4, in the middle of its value'],
    ['a second value', '{"a": 1} {', "the body: expected nothing after the value, found '{', at byte 9"],
    ['a stray bracket', '[1]]', "the body: expected nothing after the value, found ']', at byte 3"],
    [
      'a byte order mark',
      '\ufeff{}',
      'the body: begins with a byte order mark, which JSON has not, at byte 0',
    ],
    ['a zero byte', '\0', 'the body: expected a value, found byte 0x00, at byte 0'],
    ['a word cut short', ' tru', "the body: 'tru' is not a JSON value, at byte 1"],
    ['a number cut short', '-', 'the body: expected a digit, found the end, at byte 1'],
  ])('is refused: %s', async (_, text, message) => {
    const bytes = Buffer.from(text);
    for (const ends of [[], everyByte(bytes)]) {
      expect(await outcome(text, rawBody(), ends)).toMatchObject({ code: 'invalid-json', message });
    }
  });

  test('may be a number or a word, which only its end completes', async () => {
    expect(await outcome('-12.5e1', rawBody())).toEqual({ value: -125 });
    expect(await outcome(' true\n', rawBody(), [2, 3])).toEqual({ value: true });
  });

  test('may be as large as the limit and no larger', async () => {
    const bytes = Buffer.from('[1,2,3]');
    const read = (max: number) => readJson(split(bytes, [3]), rawBody(), { limit: max });
    expect(await read(7)).toEqual([1, 2, 3]);
    await expect(read(6)).rejects.toMatchObject({ code: 'body-too-large' });
    await expect(read(2)).rejects.toMatchObject({ code: 'body-too-large' });
  });

  test('is not read on after an error, and its source is left open', async () => {
    const events: string[] = [];
    async function* source() {
      await Promise.resolve();
      try {
        for (const chunk of ['{"a"', ' 1', '}']) {
          events.push(chunk);
          yield Buffer.from(chunk);
        }
      } finally {
        events.push('closed');
      }
    }
    await expect(readJson(source(), objectBody(), { limit })).rejects.toMatchObject({ code: 'invalid-json' });
    expect(events).toEqual(['{"a"', ' 1']);
  });

  test('passes on the error of its source', async () => {
    async function* source() {
      await Promise.resolve();
      yield Buffer.from('{"a": ');
      throw new Error('the client hung up');
    }
    await expect(readJson(source(), objectBody(), { limit })).rejects.toThrow('the client hung up');
  });

  test('waits for the sink to drain before it takes the next chunk', async () => {
    const events: string[] = [];
    const sink: ValueSink = {
      done: false,
      value: () => 'made',
      feed(chunk, at) {
        events.push(`feed ${chunk.length - at}`);
        if (chunk.includes(0x7d)) Object.assign(sink, { done: true });
        return chunk.length;
      },
      drain: async () => {
        await Promise.resolve();
        events.push('drained');
      },
    };
    expect(await readJson(split(Buffer.from('{  }'), [2]), sink, { limit })).toBe('made');
    expect(events.slice(0, 4)).toEqual(['feed 2', 'drained', 'feed 2', 'drained']);
  });
});
