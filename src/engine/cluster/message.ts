/** The messages that hand out jobs. Each holds the whole small job, so that it can be made anew where Redis lost it. */
import type { StaticPart } from './records.js';

/** Grows when an older Dray could not read a message any more. */
const format = 1;

export interface ReadyMessage {
  readonly emission: number;
  /** The job's place in the order of submission. */
  readonly seq: number;
  readonly createdAt: number;
  readonly emittedAt: number;
  readonly job: StaticPart;
}

/** @param json the static part, as it is stored. */
export function writeMessage(numbers: Omit<ReadyMessage, 'job'>, json: string): string {
  const { emission, seq, createdAt, emittedAt } = numbers;
  return `{"format":${format},"emission":${emission},"seq":${seq},"createdAt":${createdAt},"emittedAt":${emittedAt},"job":${json}}`;
}

/** @returns 'newer' where a later version of Dray wrote it, 'unreadable' where Dray did not write it at all. */
export function readMessage(body: string): ReadyMessage | 'newer' | 'unreadable' {
  let value: Partial<ReadyMessage & { format: unknown }> | null;
  try {
    value = JSON.parse(body) as typeof value;
  } catch {
    return 'unreadable';
  }
  if (typeof value !== 'object' || value === null || typeof value.format !== 'number') return 'unreadable';
  if (value.format > format) return 'newer';
  const numbers = [value.emission, value.seq, value.createdAt, value.emittedAt];
  const { job } = value;
  const whole =
    numbers.every((number) => Number.isSafeInteger(number)) &&
    typeof job === 'object' &&
    [job.id, job.type, job.priority].every((text) => typeof text === 'string');
  return whole ? (value as ReadyMessage) : 'unreadable';
}
