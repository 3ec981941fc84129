/** What retention removes, as a pure function: one look at the store and the disk in, one step of removing out. */
import { MiB } from './limits.js';

export interface RetentionPolicy {
  /** Finished jobs are kept so long, in ms. */
  readonly keepForMs: number;
  /** No more finished jobs are kept than these. */
  readonly keepJobs: number;
  /** The blobs may take this share of what they and the free room are together. */
  readonly diskShare: number;
  /** A blob that no job uses is kept so long, in ms: its job may be yet to come. */
  readonly keepUploadsMs: number;
}

export interface RetentionSnapshot {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly finishedJobs: number;
  /** Bytes. What other programs have on the disk is no part of it: no job goes because of them alone. */
  readonly blobBytes: number;
  readonly freeBytes: number;
  /** When the attempt started that has run longest, of those that run now. */
  readonly oldestRunAt?: number;
}

export interface RetentionPlan {
  /** The step for the engine: see Engine.prune. */
  readonly prune: { readonly before: number; readonly keep: number; readonly limit: number };
  /** Unused blobs that were begun before this moment are garbage. */
  readonly sweepBefore: number;
  /** Bytes that the blobs have above their share. */
  readonly excessBytes: number;
}

/** So many jobs go in one step: one transaction, which the others wait for. */
export const retentionStep = 200;
/** Where room is missing, steps are small, so that not many more jobs go than have to. */
const pressedStep = 20;

export function planRetention(snapshot: RetentionSnapshot, policy: RetentionPolicy): RetentionPlan {
  const { now, finishedJobs, blobBytes, freeBytes, oldestRunAt = now } = snapshot;
  const share = policy.diskShare * (blobBytes + Math.max(0, freeBytes));
  const excessBytes = Math.max(0, Math.ceil(blobBytes - share));
  const pressed = excessBytes > 0;
  return {
    prune: {
      before: now - policy.keepForMs,
      keep: pressed ? Math.min(policy.keepJobs, Math.max(0, finishedJobs - pressedStep)) : policy.keepJobs,
      limit: pressed ? pressedStep : retentionStep,
    },
    // A running attempt may have stored blobs that only its result will name.
    sweepBefore: Math.min(now - policy.keepUploadsMs, oldestRunAt),
    excessBytes,
  };
}

/** By default nothing new is taken while less than this share of the disk is free, or less than so many bytes. */
const freeShare = 0.05;
const freeBytes = 256 * MiB;

/** How many bytes must be free for new data to be taken. */
export function leastFree(space: { readonly free: number; readonly used: number }, given?: number): number {
  return given ?? Math.max(freeBytes, Math.floor(freeShare * (space.free + space.used)));
}

/** When a UUIDv7 was made, in ms since the epoch. */
export function madeAt(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
