import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DrayError } from '../jobs/errors.js';
import { readRequest } from './read-request.js';
import type { ElementType, Signature, Tensor } from './tensor.js';
import { writeAnswer } from './write-answer.js';

const limits = { mostElements: 100 };
const of = (type: ElementType, ...shape: number[]): Signature => {
  const info = { name: 'x', type, shape };
  return { inputs: [info], outputs: [info] };
};
const floats = of('float32', -1, 1);
const two: Signature = {
  inputs: [
    { name: 'a', type: 'float32', shape: [-1] },
    { name: 'b', type: 'string', shape: [-1, 2] },
  ],
  outputs: [],
};

const refusal = (body: unknown, signature = floats): DrayError => {
  try {
    readRequest(body, signature, limits);
  } catch (error) {
    if (error instanceof DrayError) return error;
    throw error;
  }
  throw new Error(`not refused: ${JSON.stringify(body)}`);
};

describe('a predict request', () => {
  it.each<[title: string, body: object, format: string]>([
    ['rows', { instances: [[1], [2.5]] }, 'row'],
    ['rows with names', { instances: [{ x: [1] }, { x: [2.5] }] }, 'row'],
    ['a column', { inputs: [[1], [2.5]] }, 'column'],
    ['a column with its name', { inputs: { x: [[1], [2.5]] } }, 'column'],
    ['the default signature', { signature_name: 'serving_default', instances: [[1], [2.5]] }, 'row'],
  ])('is read from %s', (_title, body, format) => {
    const request = readRequest(body, floats, limits);
    expect(request).toEqual({
      format,
      rows: 2,
      inputs: { x: { type: 'float32', dims: [2, 1], data: Float32Array.of(1, 2.5) } },
    });
  });

  it('has each named input as a tensor of its own', () => {
    const rows = [
      { a: 1, b: ['x', 'y'] },
      { b: ['z', { b64: Buffer.from('é').toString('base64') }], a: -1 },
    ];
    const columns = { inputs: { a: [1, -1], b: [rows[0]!.b, rows[1]!.b] } };
    const inputs = {
      a: { type: 'float32', dims: [2], data: Float32Array.of(1, -1) },
      b: { type: 'string', dims: [2, 2], data: ['x', 'y', 'z', 'é'] },
    };
    expect(readRequest({ instances: rows }, two, limits).inputs).toEqual(inputs);
    expect(readRequest(columns, two, limits).inputs).toEqual(inputs);
  });

  it.each<[type: ElementType, good: unknown[], data: unknown]>([
    ['float64', [0.1, -1e300], Float64Array.of(0.1, -1e300)],
    ['int8', [-128, 127], Int8Array.of(-128, 127)],
    ['uint8', [0, 255], Uint8Array.of(0, 255)],
    ['int32', [-2147483648, 2147483647], Int32Array.of(-2147483648, 2147483647)],
    ['int64', [Number.MAX_SAFE_INTEGER], BigInt64Array.of(9007199254740991n)],
    ['uint64', [0], BigUint64Array.of(0n)],
    ['float32', [1_435_774_380, 0.1], Float32Array.of(1_435_774_336, Math.fround(0.1))],
    ['bool', [true, false], Uint8Array.of(1, 0)],
  ])('takes values of type %s', (type, good, data) => {
    expect(readRequest({ instances: good }, of(type, -1), limits).inputs['x']!.data).toEqual(data);
  });

  it.each<[type: ElementType, value: unknown, reason: RegExp]>([
    [
      'float32',
      '1',
      /^Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: "1" Type: String is not of expected type: float$/,
    ],
    ['float32', null, /Type: Null/],
    ['float32', 3.5e38, /: Cannot convert JSON value: 3.5e\+38 to float without loss of precision\.$/],
    ['float64', Infinity, /: Cannot convert JSON value: Infinity to double without loss of precision\.$/],
    ['float64', true, /Type: True is not of expected type: double/],
    ['int8', 128, /Type: Number is not of expected type: int8/],
    ['uint8', -1, /uint8/],
    ['int32', 1.5, /int32/],
    ['int64', 2 ** 53, /int64/],
    ['bool', 1, /bool/],
    ['string', 1, /string/],
    ['string', { b64: '?' }, /Unable to base64 decode/],
    ['string', { b64: '/w==' }, /must be UTF-8/],
    ['float32', { b64: 'AAAA' }, /float/],
  ])('refuses as %s the value %j', (type, value, reason) => {
    const { code, message } = refusal({ instances: [value] }, of(type, -1));
    expect(code).toBe('invalid-request');
    expect(message).toMatch(reason);
  });

  it.each<[title: string, body: unknown, reason: RegExp]>([
    ['no object', [], /^JSON Value: \[\] Is not object$/],
    ['null', null, /^JSON Value: null Is not object$/],
    ['neither rows nor columns', {}, /^Missing 'inputs' or 'instances' key$/],
    [
      'both of them',
      { inputs: [[1]], instances: [['x']] },
      /^JSON Value: \{"inputs":\[\[1\]\],"instances":\[\["x"\]\]\} Not formatted correctly expecting only one of 'inputs' or 'instances'/,
    ],
    ['rows that are no list', { instances: {} }, /Expecting 'instances' to be an list/],
    ['no rows', { instances: [] }, /No values in 'instances'/],
    [
      'another signature',
      { signature_name: 'other', instances: [[1]] },
      /^Serving signature name: "other" not found/,
    ],
    ['a signature that is no text', { signature_name: 1, instances: [[1]] }, /must be a string/],
    ['rows of another width', { instances: [[1, 2]] }, /has shape \[1,2\], but the model takes \[\?,1\]/],
    ['rows without their list', { instances: [1] }, /has shape \[1\]/],
    [
      'rows of different widths',
      { instances: [[1], [1, 2]] },
      /^Failed to process element: 1 of 'instances' list\. Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2$/,
    ],
    ['rows of different depths', { instances: [[1], 1] }, /: Expecting shape \[1\] but got: \[\]$/],
    ['a row with a list too many', { instances: [[1], [[1]]] }, /Expecting shape \[1\] but got: \[1,1\]$/],
    [
      'a row that is not regular',
      { instances: [[1], [1, [2]]] },
      /: Encountered list at unexpected level: 1 expected < 1$/,
    ],
    [
      'a column of different widths',
      { inputs: [[1], [1, 2]] },
      /^Encountered list at unexpected size: 2 at level: 1 expected size: 1$/,
    ],
    [
      'a column of different depths',
      { inputs: [[1], 1] },
      /^JSON Value: 1 found at incorrect level: 2 in the JSON DOM\. Expected at level: 2$/,
    ],
    ['named rows beside others', { instances: [{ x: [1] }, [1]] }, /Expecting object but got list at item 1/],
    [
      'a named row among others',
      { instances: [[1], { x: [1] }] },
      /Expecting value\/list but got object at item 1/,
    ],
    [
      'a name that is unknown',
      { instances: [{ x: [1] }, { x: [1], y: [1] }] },
      /^Failed to process element: 1 key: y of 'instances' list\. Error: INVALID_ARGUMENT: JSON object: does not have named input: y$/,
    ],
    [
      'a name too few',
      { instances: [{}] },
      /^Failed to process element: 0 of 'instances' list\. JSON object: \{\} keys must be equal to: x$/,
    ],
    [
      'a wrong value by its name',
      { instances: [{ x: [null] }] },
      /^Failed to process element: 0 key: x of 'instances' list\. .* Type: Null is not/,
    ],
    ['a column without its name', { inputs: { y: [[1]] } }, /^Missing named input: x in 'inputs' object\.$/],
    ['a scalar', { inputs: 1 }, /has shape \[\]/],
  ])('is refused with %s', (_title, body, reason) => {
    const { code, message } = refusal(body);
    expect(code).toBe('invalid-request');
    expect(message).toMatch(reason);
  });

  it('is refused without names where there are several inputs', () => {
    expect(refusal({ instances: [[1]] }, two).message).toMatch(/expecting list of objects as multiple input/);
    expect(refusal({ inputs: [[1]] }, two).message).toMatch(/expecting an object as multiple input/);
  });

  it('is refused with more elements than are taken, before room is made for them', () => {
    const { code, message } = refusal({ instances: Array.from({ length: 101 }, () => [1]) });
    expect(code).toBe('body-too-large');
    expect(message).toMatch(/more than 100 elements/);
  });

  it('is refused where lists nest deeper than any tensor', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 10_000; level++) deep = [deep];
    expect(refusal({ instances: deep }).message).toMatch(/nested deeper/);
    expect(refusal({ instances: [[1], deep] }).message).toMatch(/nested deeper/);
  });

  it('quotes no more of a value than it takes to know it again', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = level % 2 === 0 ? [deep] : { deep };
    const long = 'x'.repeat(10_000);
    for (const body of [[long], [{ [long]: 1 }], Array.from({ length: 10_000 }, () => 1), [[[deep]]], [deep]])
      expect(refusal({ instances: body, inputs: 1 }).message.length).toBeLessThan(300);
    expect(refusal({ instances: [[long]] }).message.length).toBeLessThan(300);
    expect(refusal(deep).message.length).toBeLessThan(300);
  });
});

describe('an answer', () => {
  const rows = { format: 'row', rows: 2 } as const;
  const columns = { format: 'column', rows: 2 } as const;
  const x = { type: 'float32', dims: [2, 1], data: Float32Array.of(1, 232.7778) } as const;

  it('has fractions that are seen to be some', () => {
    expect(writeAnswer({ x }, rows)).toBe('{"predictions":[[1.0],[232.7778]]}');
    expect(writeAnswer({ x }, columns)).toBe('{"outputs":[[1.0],[232.7778]]}');
  });

  it('names several outputs', () => {
    const y: Tensor = { type: 'string', dims: [2], data: ['"', 'b'] };
    expect(writeAnswer({ x, y }, rows)).toBe(
      '{"predictions":[{"x":[1.0],"y":"\\""},{"x":[232.7778],"y":"b"}]}',
    );
    expect(writeAnswer({ x, y }, columns)).toBe('{"outputs":{"x":[[1.0],[232.7778]],"y":["\\"","b"]}}');
  });

  it('has bytes of texts where the name of an output says so', () => {
    const tensor: Tensor = { type: 'string', dims: [1], data: ['é'] };
    expect(writeAnswer({ image_bytes: tensor }, { format: 'row', rows: 1 })).toBe(
      '{"predictions":[{"b64":"w6k="}]}',
    );
    expect(writeAnswer({ image_bytes: tensor }, columns)).toBe('{"outputs":[{"b64":"w6k="}]}');
  });

  it.each<[type: ElementType, data: unknown, text: string]>([
    ['float32', Float32Array.of(NaN, Infinity, -Infinity, -0, 0.1), 'NaN,Infinity,-Infinity,-0.0,0.1'],
    ['float64', Float64Array.of(0.1, 1e21, 1e-7), '0.1,1e+21,1e-7'],
    ['int64', BigInt64Array.of(9223372036854775807n, -1n), '9223372036854775807,-1'],
    ['bool', Uint8Array.of(1, 0), 'true,false'],
    ['uint8', Uint8Array.of(255), '255'],
  ])('writes %s', (type, data, text) => {
    const tensor = { type, dims: [(data as Uint8Array).length], data: data as Uint8Array };
    expect(writeAnswer({ tensor }, columns)).toBe(`{"outputs":[${text}]}`);
  });

  it('is none where a model gives other rows than it was asked for', () => {
    const total = { type: 'float32', dims: [1], data: Float32Array.of(3) } as const;
    expect(() => writeAnswer({ total }, rows)).toThrow('inconsistent batch size: 1 expecting: 2');
    expect(writeAnswer({ total }, columns)).toBe('{"outputs":[3.0]}');
  });

  it('has of any float the fewest digits, six at least, that are read as it again', () => {
    const fewest = (value: number): number => {
      for (let digits = 6; digits < 9; digits++) {
        if (Math.fround(Number(value.toPrecision(digits))) === value)
          return Number(value.toPrecision(digits));
      }
      return Number(value.toPrecision(9));
    };
    const written = (value: number): string =>
      writeAnswer({ x: { type: 'float32', dims: [], data: Float32Array.of(value) } }, columns);
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.float({ min: -2000, max: 2000, noNaN: true }),
        (any, usual) => {
          for (const value of [any, usual]) {
            const { outputs } = JSON.parse(written(value)) as { outputs: number };
            expect(Math.fround(outputs)).toBe(value);
            if (value !== 0)
              expect(String(Math.abs(outputs)).length).toBeLessThanOrEqual(
                String(Math.abs(fewest(value))).length,
              );
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('has the same numbers in rows and columns, to the last bit', () => {
    const matrix = fc.integer({ min: 1, max: 5 }).chain((width) =>
      fc.array(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: width, maxLength: width }),
        {
          minLength: 1,
          maxLength: 8,
        },
      ),
    );
    fc.assert(
      fc.property(matrix, (values) => {
        const signature = of('float32', -1, values[0]!.length);
        const byRows = readRequest({ instances: values }, signature, limits);
        const byColumn = readRequest({ inputs: values }, signature, limits);
        expect(byColumn.inputs).toEqual(byRows.inputs);
        const text = writeAnswer(byRows.inputs, byRows);
        const { predictions } = JSON.parse(text) as { predictions: number[][] };
        expect(predictions.map((row) => row.map((value) => Math.fround(value)))).toEqual(values);
        expect(JSON.parse(writeAnswer(byColumn.inputs, byColumn))).toEqual({ outputs: predictions });
      }),
    );
  });
});
