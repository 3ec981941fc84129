/**
 * Time, timers, ids and randomness: the only module that may read the machine's clock or its entropy, so that
 * a test can put another one in its place.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';

/** Ends a timer; calling it again, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. It may jump. */
  now(): number;
  /** Milliseconds since some fixed moment. It never jumps: use it for durations and leases. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  after(ms: number, run: () => void): CancelTimer;
  every(ms: number, run: () => void): CancelTimer;
  /** A new UUIDv7: ids sort by the time they were made. */
  id(): string;
  /** 128 random bits as hex: a fencing token, never handed out twice. */
  token(): string;
  /** Uniform in [0, 1). */
  random(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, signal ? { signal } : undefined);
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
  id: () => uuidv7(),
  token: () => randomBytes(16).toString('hex'),
  random: () => Math.random(),
};
