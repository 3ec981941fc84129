/** The messages that go out: replies, and dead letters with the reason. */
import type { ConsumeMessage } from 'amqplib';
import type { Parcel } from '../../amqp/publisher.js';
import { KiB } from '../../jobs/limits.js';
import { propertyOf, type ReturnAddress } from './address.js';
import type { Reply } from './reply.js';
import { requestLimit } from './request.js';

/** Of a message that became no job. */
export interface Refusal {
  readonly reason: string;
  /** What of the message is to blame. */
  readonly field?: string;
}

const reasonHeader = 'x-dray-reason';
const fieldHeader = 'x-dray-field';
const sizeHeader = 'x-dray-size';
/** Characters of a reason, and bytes of the headers that a dead letter keeps. */
const longestReason = 1_000;
const keptHeaders = 8_192;
/** Bytes of what is too large that a dead letter keeps. RabbitMQ would not take all of it from us either. */
const keptBody = KiB;

/** @param id by which who gets it twice can tell. */
export function replyLetter(
  queue: string,
  { id, correlationId, reply }: { id: string; correlationId: string | undefined; reply: string },
): Parcel {
  return {
    queue,
    messageId: id,
    headers: {},
    body: reply,
    ...(correlationId !== undefined && { correlationId }),
  };
}

/** In the shape of every reply. `jobName` is what could be read of it. */
export function refusalText(jobName: unknown, { reason, field }: Refusal): string {
  const reply: Partial<Reply> & { field?: string } = {
    ...(typeof jobName === 'string' && { jobName }),
    status: 'failed',
    duration: 0,
    output: '',
    files: [],
    code: 'refused',
    error: reason,
    ...(field !== undefined && { field }),
  };
  return JSON.stringify(reply);
}

/**
 * The message as it came, so that it can be corrected and sent again; of one that is too large for that its beginning,
 * and how many bytes it had.
 */
export function deadLetter(
  queue: string,
  message: ConsumeMessage,
  address: ReturnAddress,
  { reason, field }: Refusal,
): Parcel {
  const { content } = message;
  const cut = content.length > requestLimit;
  return {
    queue,
    messageId: propertyOf(message, 'messageId') ?? '',
    headers: {
      ...plainHeaders(message),
      [reasonHeader]: reason.slice(0, longestReason),
      ...(field !== undefined && { [fieldHeader]: field.slice(0, longestReason) }),
      ...(cut && { [sizeHeader]: content.length }),
    },
    body: cut ? content.subarray(0, keptBody) : content,
    ...address,
  };
}

/** The least number that amqplib writes: below it throws, and the connection is given up. */
const leastNumber = -(2 ** 63);

/** Tables and lists in headers may hold what cannot be written again; texts and numbers are what people look for. */
function plainHeaders({ properties }: ConsumeMessage): Record<string, string | number | boolean> {
  let bytes = 0;
  const kept = Object.entries((properties.headers ?? {}) as Record<string, unknown>).filter(
    (entry): entry is [string, string | number | boolean] => {
      const [name, value] = entry;
      if (!['string', 'number', 'boolean'].includes(typeof value)) return false;
      if (typeof value === 'number' && !(value >= leastNumber)) return false;
      bytes += Buffer.byteLength(name) + Buffer.byteLength(String(value));
      return bytes <= keptHeaders && Buffer.byteLength(name) <= 255;
    },
  );
  return Object.fromEntries(kept);
}
