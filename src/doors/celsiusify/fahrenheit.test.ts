import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { celsiusOf, lastValue, parseNumber } from './fahrenheit.js';

describe('a number in a query', () => {
  it.each<[text: string, value: number]>([
    ['451.0', 451],
    ['-40', -40],
    ['+5', 5],
    ['.5', 0.5],
    ['5.', 5],
    ['1.e2', 100],
    ['1E-2', 0.01],
    ['00012', 12],
    [' \t5\n', 5],
    ['\u00855\u2003', 5],
    ['1_000.0_1', 1000.01],
    ['-_5', -5],
    ['5_e_3', 5000],
    ['1e-400', 0],
    ['9007199254740993', 9007199254740992],
  ])('is taken: %j', (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });

  it.each(['1e400', '-1e400', 'nan', '-NaN', '+inf', 'Infinity', ' -iNFINITY ', 'in_f'])(
    'is known but not finite: %j',
    (text) => {
      const value = parseNumber(text);
      expect(value).toBeDefined();
      expect(Number.isFinite(value)).toBe(false);
    },
  );

  it.each([
    ...['', ' ', '.', '+', '-', 'e5', '1e', '1e+', '--5', '- 5', '1 5', '1,5', '1.5.2', '0x10', '0b1', '5f'],
    ...['_1', '1_', '1__0', ' 1_0', '1_0 ', '_', 'true', 'null', 'infin', 'infe5', '1_nan'],
    ...['٣', '５', '\u001f5', '\ufeff5', '\u200b5', '5\u0000', 'ınf', 'inﬁnity'],
  ])('is not seen in %j', (text) => {
    expect(parseNumber(text)).toBeUndefined();
  });

  it('keeps every bit of any finite double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        expect(parseNumber(Object.is(x, -0) ? '-0' : String(x))).toBe(x);
      }),
    );
  });
});

describe('a parameter', () => {
  it.each<[query: string, value: string | undefined]>([
    ['?fahrenheit=5', '5'],
    ['?fahrenheit=1&fahrenheit=2', '2'],
    ['?a=1&%66ahrenheit=%35&b', '5'],
    ['?fahrenheit', ''],
    ['?fahrenheit=+5', ' 5'],
    ['?fahrenheit=5%zz', '5%zz'],
    ['?fahrenheit=%FF', '\ufffd'],
    ['?fahrenheit==5', '=5'],
    ['?Fahrenheit=5', undefined],
    ['?', undefined],
    ['', undefined],
  ])('is found in %j', (query, value) => {
    expect(lastValue(`/convert/${query}`, 'fahrenheit')).toBe(value);
  });
});

describe('degrees Celsius', () => {
  it.each([
    [451, 232.77777777777777],
    [32, 0],
    [-40, -40],
    [212, 100],
    [-459.67, -273.15],
  ])('of %d °F are %d', (fahrenheit, celsius) => {
    expect(celsiusOf(fahrenheit)).toBe(celsius);
  });

  it('are finite for every finite temperature, and near five ninths of a large one', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e300, max: Number.MAX_VALUE, noNaN: true }), (fahrenheit) => {
        expect(celsiusOf(fahrenheit) / fahrenheit).toBeCloseTo(5 / 9, 14);
        expect(celsiusOf(-fahrenheit)).toBe(-celsiusOf(fahrenheit));
      }),
    );
  });
});
