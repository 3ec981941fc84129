import { Compile } from 'typebox/compile';
import Type from 'typebox';
import { describe, expect, it } from 'vitest';
import { misfitOf } from './misfit.js';

const schema = Compile(
  Type.Object({
    priority: Type.Optional(Type.Union([Type.Literal('high'), Type.Literal('low')])),
    size: Type.Optional(Type.Union([Type.Literal('all'), Type.Integer({ minimum: 1 })])),
    retry: Type.Optional(Type.Object({ attempts: Type.Integer({ minimum: 1 }) })),
    none: Type.Optional(Type.Object({}, { additionalProperties: false })),
    runAt: Type.Optional(Type.String({ format: 'date-time' })),
  }),
);
const misfit = (value: unknown) => misfitOf(schema.Errors(value));

describe('what a schema has against a value', () => {
  it('names every constant of a choice', () => {
    const said = { path: 'priority', message: 'must be "high" or "low"' };
    expect(misfit({ priority: 'urgent' })).toEqual(said);
    expect(misfit({ priority: 3 })).toEqual(said);
  });

  it('leaves a choice of other things in the words of the schema', () => {
    for (const size of [0, 'some']) {
      expect(misfit({ size }).path).toBe('size');
      expect(misfit({ size }).message).not.toContain('"all"');
    }
  });

  it('shows how a time is written', () => {
    expect(misfit({ runAt: 'tomorrow' })).toEqual({
      path: 'runAt',
      message: 'must be a time with a zone, such as 2030-01-31T12:00:00Z',
    });
  });

  it('names a key that is not taken', () => {
    expect(misfit({ none: { tries: 3 } })).toEqual({ path: 'none.tries', message: 'is not known' });
  });

  it('has the path of the first error', () => {
    expect(misfit({ retry: { attempts: 0 } })).toEqual({ path: 'retry.attempts', message: 'must be >= 1' });
    expect(misfit(3)).toMatchObject({ path: '' });
    expect(misfitOf([])).toEqual({ path: '', message: 'does not fit its schema' });
  });
});
