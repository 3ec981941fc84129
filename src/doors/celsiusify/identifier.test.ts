import { describe, expect, it } from 'vitest';
import { systemClock } from '../../clock.js';
import { appIdentifier } from './identifier.js';

describe('the identifier of an instance', () => {
  it('is four groups of eight letters and digits', () => {
    expect(appIdentifier(systemClock)).toMatch(/^[A-Za-z0-9]{8}(-[A-Za-z0-9]{8}){3}$/);
  });

  it('is another one each time', () => {
    const made = Array.from({ length: 100 }, () => appIdentifier(systemClock));
    expect(new Set(made).size).toBe(100);
  });

  it('leaves out bytes that would make some letters more likely', () => {
    const tokens = [
      'f8f9fafbfcfdfeff'.repeat(2),
      '00013d3ef7'.repeat(3) + '00',
      '00'.repeat(16),
      '01'.repeat(16),
    ];
    const identifier = appIdentifier({ token: () => tokens.shift()! });
    expect(identifier).toBe('AB9A9AB9-A9AB9A9A-AAAAAAAA-AAAAAAAA');
    expect(tokens).toEqual(['01'.repeat(16)]);
  });
});
