import { expect, it } from 'vitest';
import { stopped, stopReasonOf } from './stopped.js';

it('the signal of a stopped attempt says why, also through one that is made of several', () => {
  const attempt = new AbortController();
  const both = AbortSignal.any([attempt.signal, new AbortController().signal]);
  expect(stopReasonOf(attempt.signal)).toBeUndefined();
  attempt.abort(stopped('drain'));
  expect(stopReasonOf(attempt.signal)).toBe('drain');
  expect(stopReasonOf(both)).toBe('drain');
});

it.each([undefined, new Error('mine'), 'a text'])(
  'a signal that aborts with %s is no attempt’s',
  (reason) => {
    expect(stopReasonOf(AbortSignal.abort(reason))).toBeUndefined();
  },
);
