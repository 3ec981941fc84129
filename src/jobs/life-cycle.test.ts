import { describe, expect, test } from 'vitest';
import { events, isFinal, statuses, transition, transitions, type Event, type Status } from './life-cycle.js';

/** Every state × event, written out by hand: the target, or '' where the event is refused. */
const expected: Record<Status, Record<Event, Status | ''>> = {
  scheduled: {
    due: 'pending',
    claim: '',
    complete: '',
    retry: '',
    fail: '',
    expire: '',
    exhaust: '',
    release: '',
    cancel: 'cancelled',
    redrive: '',
  },
  pending: {
    due: '',
    claim: 'in-progress',
    complete: '',
    retry: '',
    fail: '',
    expire: '',
    exhaust: '',
    release: '',
    cancel: 'cancelled',
    redrive: '',
  },
  'in-progress': {
    due: '',
    claim: '',
    complete: 'completed',
    retry: 'scheduled',
    fail: 'failed',
    expire: 'pending',
    exhaust: 'failed',
    release: 'pending',
    cancel: 'cancelled',
    redrive: '',
  },
  completed: {
    due: '',
    claim: '',
    complete: '',
    retry: '',
    fail: '',
    expire: '',
    exhaust: '',
    release: '',
    cancel: '',
    redrive: '',
  },
  failed: {
    due: '',
    claim: '',
    complete: '',
    retry: '',
    fail: '',
    expire: '',
    exhaust: '',
    release: '',
    cancel: '',
    redrive: 'pending',
  },
  cancelled: {
    due: '',
    claim: '',
    complete: '',
    retry: '',
    fail: '',
    expire: '',
    exhaust: '',
    release: '',
    cancel: '',
    redrive: '',
  },
};

describe('life cycle table', () => {
  describe.each(statuses)('from %s', (status) => {
    test.each(events)('%s leads where the matrix says', (event) => {
      expect(transition(status, event)?.to ?? '').toBe(expected[status][event]);
    });
  });

  test('has one row at most for a state and an event', () => {
    const pairs = transitions.flatMap((row) => row.from.map((from) => `${from} × ${row.event}`));
    expect(new Set(pairs).size).toBe(pairs.length);
  });

  test('counts an attempt when it is claimed and takes back only one that was handed back', () => {
    const counted = transitions.filter((row) => row.attempts !== 0);
    expect(counted.map(({ event, attempts }) => [event, attempts])).toEqual([
      ['claim', 1],
      ['release', -1],
    ]);
  });

  test('asks for the token wherever an attempt writes', () => {
    const fenced = transitions.filter((row) => row.guard === 'token').map((row) => row.event);
    expect(fenced).toEqual(['complete', 'retry', 'fail', 'release']);
  });

  test('calls final what only a redrive can leave', () => {
    expect(statuses.filter(isFinal)).toEqual(['completed', 'failed', 'cancelled']);
    for (const status of statuses.filter(isFinal)) {
      const leaving = events.filter((event) => expected[status][event] !== '');
      expect(leaving.filter((event) => event !== 'redrive')).toEqual([]);
    }
  });
});
