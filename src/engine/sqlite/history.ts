/** The SQL function by which every statement that ends an attempt writes the job's history. */
import type { DatabaseSync } from '@photostructure/sqlite';
import { limits } from '../../jobs/limits.js';
import type { EndedAttempt, Failure } from '../engine.js';

/**
 * @param history JSON array of ended attempts, oldest first.
 * @param error JSON of a Failure, or null.
 * @returns the array with one more, without the oldest where it would be longer than `limits.history`.
 */
export function withAttempt(
  history: string,
  attempt: number,
  worker: string,
  startedAt: number,
  endedAt: number,
  outcome: EndedAttempt['outcome'],
  error: string | null,
  peakMemory: number | null,
): string {
  const ended: EndedAttempt = {
    attempt,
    worker,
    startedAt,
    endedAt,
    outcome,
    ...(error !== null && { error: JSON.parse(error) as Failure }),
    ...(peakMemory !== null && { peakMemory }),
  };
  const earlier = JSON.parse(history) as EndedAttempt[];
  return JSON.stringify([...earlier, ended].slice(-limits.history));
}

/** Makes `with_attempt(history, attempt, worker, started_at, ended_at, outcome, error, peak_memory)` known. */
export function defineHistory(db: InstanceType<typeof DatabaseSync>): void {
  db.function('with_attempt', { deterministic: true }, withAttempt);
}
