import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { misfitReason } from './misfit.js';

const reasonFor = (schema: Type.TSchema, value: unknown): string =>
  misfitReason(Compile(schema).Errors(value));

describe('the reason of a misfit', () => {
  const size = Type.Union([Type.Literal('small'), Type.Literal('large')]);

  it('names all words that may be chosen, and none of another member', () => {
    const schema = Type.Object({ size, kind: Type.Literal('x') });
    expect(reasonFor(schema, { size: 'huge', kind: 'y' })).toBe('must be one of "small", "large"');
    expect(reasonFor(schema, { size: 'small', kind: 'y' })).toBe('must be "x"');
  });

  it('is what the schema asks for otherwise', () => {
    expect(reasonFor(Type.Object({ size }), [])).toBe('must be object');
    expect(misfitReason([])).toBe('does not fit its schema');
  });
});
