import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { LiveOutput } from './live-output.js';

function harness() {
  const clock = new ManualClock();
  const pieces: string[] = [];
  const output = new LiveOutput(clock, (piece) => pieces.push(piece));
  return { clock, pieces, output, text: () => pieces.join('') };
}

const KiB = 1024;

describe('live output', () => {
  it('is gathered for a moment', () => {
    const { clock, pieces, output } = harness();
    for (let number = 0; number < 50; number++) output.write(`${number}\n`);
    expect(pieces).toEqual([]);
    clock.advance(100);
    expect(pieces).toHaveLength(1);
    expect(clock.waiting).toBe(0);
    output.write('late');
    output.end();
    expect(pieces[1]).toBe('late');
    expect(clock.waiting).toBe(0);
  });

  it('comes in pieces that split no character', () => {
    const { pieces, output, text } = harness();
    const given = `x${'🎲'.repeat(20 * KiB)}`;
    output.write(given);
    output.end();
    expect(text()).toBe(given);
    expect(pieces.length).toBeGreaterThan(2);
    for (const piece of pieces) {
      expect(piece.length).toBeLessThanOrEqual(16 * KiB);
      expect(Buffer.from(piece).toString()).toBe(piece);
    }
  });

  it('is bounded in each second, and says once how much was left out', () => {
    const { clock, output, text } = harness();
    for (let tenth = 0; tenth < 10; tenth++) {
      output.write('x'.repeat(10 * KiB));
      clock.advance(100);
    }
    const first = text();
    expect(first).toMatch(/^x+\n\[(\d+) characters were left out here\]\n$/);
    expect(first.split('x').length - 1).toBe(64 * KiB);
    expect(first).toContain(`[${36 * KiB} characters`);
    output.write('more');
    clock.advance(100);
    expect(text().slice(first.length)).toBe('more');
  });

  it('says at its end what was left out', () => {
    const { output, text } = harness();
    output.write('x'.repeat(64 * KiB));
    output.write('y');
    output.end();
    expect(text()).toMatch(/x\n\[1 characters were left out here\]\n$/);
  });
});
