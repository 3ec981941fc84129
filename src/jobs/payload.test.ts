import { describe, expect, it } from 'vitest';
import { blobsOf } from './payload.js';

const id = (n: number): string => `0190b5c0-0000-7000-8000-${String(n).padStart(12, '0')}`;

describe('the blobs that a value names', () => {
  it('are found at any depth, beside other members, each once', () => {
    const value = { a: { blob: id(1), offset: 8 }, b: [[{ blob: id(2) }], { c: { blob: id(1) } }] };
    expect(blobsOf(value, 'input')).toEqual([id(1), id(2)]);
  });

  it('are none where a member of that name is no id', () => {
    expect(blobsOf({ blob: 'a file', x: { blob: 7 }, y: id(3) }, 'input')).toEqual([]);
    expect(blobsOf(null, 'input')).toEqual([]);
  });

  it('are found within what a member of that name holds', () => {
    expect(blobsOf({ blob: { blob: id(4) } }, 'input')).toEqual([id(4)]);
  });

  it('are bounded', () => {
    const many = Array.from({ length: 1_001 }, (_, n) => ({ blob: id(n) }));
    expect(blobsOf(many.slice(1), 'input')).toHaveLength(1_000);
    expect(() => blobsOf(many, 'output')).toThrow(/^output names 1001 blobs; at most 1000/);
  });
});
