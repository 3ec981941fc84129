import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { DrayError } from '../jobs/errors.js';
import { systemClock } from '../clock.js';
import { BodyFault, inDoorWords, misfitOf, sendDetail } from './fastapi-errors.js';

describe('a misfit in the shape of FastAPI', () => {
  it('calls the matrices of the native API by the names that its client knows', () => {
    const error = new DrayError('limit-exceeded', 'the product of input.a and input.b: too large', {
      field: 'input.b',
    });
    expect(misfitOf(error).detail).toEqual([
      { type: 'value_error', loc: ['body', 'B'], msg: 'the product of A and B: too large' },
    ]);
  });

  it('blames the body as a whole where no field is to blame', () => {
    const whole = misfitOf(new DrayError('limit-exceeded', 'input: row 3 at byte 4', { field: 'input' }));
    expect(whole.detail[0]!.loc).toEqual(['body']);
    expect(misfitOf(new DrayError('invalid-json', 'the body is empty')).detail[0]!.loc).toEqual(['body']);
  });

  it('leaves names alone that are the client’s own', () => {
    for (const name of ['input.a', 'input']) {
      const fault = new BodyFault('extra_forbidden', name, `${name}: is not known here`);
      expect(misfitOf(fault).detail).toEqual([
        { type: 'extra_forbidden', loc: ['body', name], msg: `${name}: is not known here` },
      ]);
    }
  });

  it('leaves words alone that only look like a name', () => {
    expect(inDoorWords('an input.abc of a and b')).toBe('an input.abc of a and b');
  });
});

describe('an error in the shape of FastAPI', () => {
  it.each<[title: string, error: Error, status: number, retryAfter: string | undefined, detail: unknown]>([
    ['a store that is away', new DrayError('unavailable', 'it is stopping'), 503, '5', 'it is stopping'],
    [
      'a full disk',
      Object.assign(new Error('x'), { code: 'ENOSPC' }),
      507,
      '5',
      'the disk of the data folder is full',
    ],
    ['what is not there', new DrayError('job-not-found', 'no input.a'), 404, undefined, 'no A'],
    ['a body cut short', new DrayError('upload-incomplete', 'cut short'), 400, undefined, 'cut short'],
    ['an unexpected error', new Error('a secret'), 500, undefined, 'The server met an unexpected error.'],
    [
      'a body that does not fit',
      new DrayError('invalid-matrix', 'A: row 2, column 3: no number', { field: 'A' }),
      422,
      undefined,
      [{ type: 'value_error', loc: ['body', 'A', 1, 2], msg: 'A: row 2, column 3: no number' }],
    ],
  ])('tells of %s', async (_title, error, status, retryAfter, detail) => {
    const app = Fastify();
    app.setErrorHandler((thrown, request, reply) => sendDetail(thrown, request, reply, systemClock));
    app.get('/', () => {
      throw error;
    });
    const answer = await app.inject('/');
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['retry-after']).toBe(retryAfter);
    expect(answer.json()).toEqual({ detail });
    await app.close();
  });
});
