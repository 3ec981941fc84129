/**
 * The life cycle of a job, written once. Every engine repeats the guard of a row inside its own atomic
 * operation; the conformance suite holds each of them against this table.
 */
export const statuses = ['scheduled', 'pending', 'in-progress', 'completed', 'failed', 'cancelled'] as const;
export type Status = (typeof statuses)[number];

export const events = [
  'due',
  'claim',
  'complete',
  'retry',
  'fail',
  'expire',
  'exhaust',
  'release',
  'cancel',
  'redrive',
] as const;
export type Event = (typeof events)[number];

/**
 * What must hold besides the source state.
 * - `none`: nothing.
 * - `due`: the moment that the job waits for has come.
 * - `token`: the caller holds the attempt's fencing token.
 * - `expired, attempts left` / `expired, attempts used up`: the lease ran out.
 */
export type Guard = 'none' | 'due' | 'token' | 'expired, attempts left' | 'expired, attempts used up';

export interface Transition {
  readonly event: Event;
  readonly from: readonly Status[];
  readonly to: Status;
  readonly guard: Guard;
  /** How the number of counted attempts changes. */
  readonly attempts: 0 | 1 | -1;
}

export const transitions: readonly Transition[] = [
  { event: 'due', from: ['scheduled'], to: 'pending', guard: 'due', attempts: 0 },
  { event: 'claim', from: ['pending'], to: 'in-progress', guard: 'none', attempts: 1 },
  { event: 'complete', from: ['in-progress'], to: 'completed', guard: 'token', attempts: 0 },
  { event: 'retry', from: ['in-progress'], to: 'scheduled', guard: 'token', attempts: 0 },
  { event: 'fail', from: ['in-progress'], to: 'failed', guard: 'token', attempts: 0 },
  { event: 'expire', from: ['in-progress'], to: 'pending', guard: 'expired, attempts left', attempts: 0 },
  { event: 'exhaust', from: ['in-progress'], to: 'failed', guard: 'expired, attempts used up', attempts: 0 },
  { event: 'release', from: ['in-progress'], to: 'pending', guard: 'token', attempts: -1 },
  {
    event: 'cancel',
    from: ['scheduled', 'pending', 'in-progress'],
    to: 'cancelled',
    guard: 'none',
    attempts: 0,
  },
  { event: 'redrive', from: ['failed'], to: 'pending', guard: 'none', attempts: 0 },
];

/** The row that applies to a job in `status` when `event` happens, or undefined where the event is refused. */
export function transition(status: Status, event: Event): Transition | undefined {
  return transitions.find((row) => row.event === event && row.from.includes(status));
}

/** True where nothing but a redrive can still change the job. */
export function isFinal(status: Status): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}
