import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wholeCharacters } from './reply.js';

describe('the end of a log', () => {
  it('begins with a whole character, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.nat(), (text, at) => {
        const bytes = Buffer.from(text);
        const from = at % bytes.length;
        const tail = wholeCharacters(bytes.subarray(from), { cut: from > 0 });
        expect(text.endsWith(tail)).toBe(true);
        expect(bytes.length - from - Buffer.byteLength(tail)).toBeLessThan(4);
      }),
    );
  });

  it('is text also where the log is none', () => {
    const noise = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x41, 0xff]);
    expect(wholeCharacters(noise, { cut: true })).toBe('\ufffdA\ufffd');
    expect(wholeCharacters(Buffer.alloc(0), { cut: false })).toBe('');
  });
});
