import { describe, expect, it } from 'vitest';
import { parseLabel } from './label.js';

describe('a label', () => {
  it.each([
    ['team=red', 'team', 'red'],
    ['team:red', 'team', 'red'],
    ['a=b=c:d', 'a', 'b=c:d'],
    ['empty=', 'empty', ''],
    ['lines=one\ntwo', 'lines', 'one\ntwo'],
  ])('is read from %j', (text, name, value) => expect(parseLabel(text)).toEqual({ name, value }));

  it.each(['', 'red', '=red', ':'])('is not read from %j', (text) =>
    expect(parseLabel(text)).toBeUndefined(),
  );
});
