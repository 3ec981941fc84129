/**
 * Time, timers, ids and randomness: the only module that may read the machine's clock or its entropy, so that
 * a test can put another one in its place.
 */
import { randomBytes, randomFillSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

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

const idBytes = 16;
/** Random bytes for ids, got for many at a time: a call for each would be most of what an id costs. */
const pool = Buffer.alloc(256 * idBytes);
let used = pool.length;
/** Of the latest id: those of one millisecond are told apart, and sorted, by the number that follows it. */
let latestMs = 0;
let sequence = 0;

/** RFC 9562, section 5.7: 48 bits of time, then 32 of the number around version and variant, then chance. */
function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const at = used;
  used += idBytes;
  const now = Date.now();
  // The number starts below half of its range, so that no millisecond can use it up; a clock set back goes on.
  sequence = now > latestMs ? pool.readUInt32BE(at + 6) >>> 1 : sequence + 1;
  latestMs = Math.max(now, latestMs);
  const [high, low] = [sequence >>> 20, sequence & 0xf_ffff];
  pool.writeUIntBE(latestMs, at, 6);
  pool.writeUInt16BE(0x7000 | high, at + 6);
  pool.writeUInt32BE((0x8000_0000 | (low << 10) | (pool.readUInt16BE(at + 10) & 0x3ff)) >>> 0, at + 8);
  const hex = pool.toString('hex', at, used);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
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
  id: newId,
  token: () => randomBytes(16).toString('hex'),
  random: () => Math.random(),
};
