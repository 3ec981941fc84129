import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixed6 } from './fixed-point.js';

const script = `
import struct, sys
for line in sys.stdin:
    print(f'{struct.unpack(">d", bytes.fromhex(line))[0]:.6f}')
`;

function bitsOf(x: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(x);
  return bytes.toString('hex');
}

/** What Python's f'{x:.6f}' gives for each: one process for all of them, doubles as their bits. */
function byPython(doubles: readonly number[]): string[] {
  const input = doubles.map((x) => `${bitsOf(x)}\n`).join('');
  const output = execFileSync('python3', ['-I', '-c', script], { input, maxBuffer: 64 * 1024 * 1024 });
  return output.toString().trimEnd().split('\n');
}

/** Each with its negative, and with its two neighbours, since it is between them that rounding goes wrong. */
function around(x: number): number[] {
  const bytes = Buffer.from(bitsOf(x), 'hex');
  const bits = bytes.readBigUInt64BE();
  const near = [bits - 1n, bits, bits + 1n].map((pattern) => {
    bytes.writeBigUInt64BE(BigInt.asUintN(64, pattern));
    return bytes.readDoubleBE();
  });
  return near.flatMap((value) => [value, -value]);
}

const anyBits = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((pattern) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(pattern);
  return bytes.readDoubleBE();
});
/** Odd numbers of 128ths, of every magnitude: the only doubles that lie half-way between two millionths. */
const ties = fc
  .tuple(fc.nat(2 ** 31 - 1), fc.nat(20))
  .map(([k, shift]) => (2 * k * 2 ** (21 - shift) + 1) / 128);
const temperatures = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const kinds = { anyBits, ties, temperatures, subnormal: fc.double({ min: 0, max: 2.3e-308, noNaN: true }) };

describe('six decimals', () => {
  it.each(Object.entries(kinds))('are Python’s for doubles of the kind %s', (_kind, double) => {
    fc.assert(
      fc.property(fc.array(double, { minLength: 1_000, maxLength: 1_000 }), (doubles) => {
        const all = doubles.flatMap(around);
        expect(all.map(fixed6)).toEqual(byPython(all));
      }),
      { numRuns: 4, endOnFailure: true },
    );
  });

  it('are Python’s at the edges', () => {
    const powers = Array.from({ length: 40 }, (_, i) => 10 ** (i - 10));
    const edges = [0, 5e-7, 1e21, 2 ** 70, Number.MIN_VALUE, Number.MAX_VALUE, Infinity, ...powers];
    const all = [...edges.flatMap(around), NaN];
    expect(all.map(fixed6)).toEqual(byPython(all));
  });

  it.each([
    [0.0078125, '0.007812'],
    [-0.0078125, '-0.007812'],
    [0.0234375, '0.023438'],
    [-0, '-0.000000'],
    [-1e-300, '-0.000000'],
    [1e21, '1000000000000000000000.000000'],
    [1e23, '99999999999999991611392.000000'],
  ])('of %d are %s', (x, text) => {
    expect(fixed6(x)).toBe(text);
  });
});
