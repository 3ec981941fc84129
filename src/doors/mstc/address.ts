/** Where the reply to a message goes, as the job remembers it. */
import type { ConsumeMessage } from 'amqplib';
import { DrayError } from '../../jobs/errors.js';

export interface ReturnAddress {
  readonly replyTo?: string;
  readonly correlationId?: string;
}

/** Of the projection that tells the ends of jobs to whoever sent a message. */
export const mstcProjection = 'mstc';

/** What AMQP takes of a name, and an engine of what a projection remembers, in bytes. */
const longestName = 255;
const longestAddress = 1_024;

/** A property of a message as text; undefined where it is absent or empty, and where it could not be sent again. */
export function propertyOf(
  { properties }: ConsumeMessage,
  name: 'messageId' | 'replyTo' | 'correlationId',
): string | undefined {
  const value: unknown = properties[name];
  // What was not UTF-8 has become longer by being read.
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= longestName
    ? value
    : undefined;
}

export function returnAddressOf(message: ConsumeMessage): ReturnAddress {
  const replyTo = propertyOf(message, 'replyTo');
  const correlationId = propertyOf(message, 'correlationId');
  return {
    ...(replyTo !== undefined && { replyTo }),
    ...(correlationId !== undefined && { correlationId }),
  };
}

/** As a job carries it. @throws DrayError `limit-exceeded` where it is too long for that. */
export function projectionOf(address: ReturnAddress): string {
  const rest = JSON.stringify(address);
  if (Buffer.byteLength(rest) <= longestAddress) return `${mstcProjection}:${rest}`;
  throw new DrayError(
    'limit-exceeded',
    `correlation_id: has more than ${longestAddress} bytes together with reply_to, control characters written as \\u0000`,
    { field: 'correlation_id' },
  );
}

/** The address again, from what came after the projection's name. */
export function readReturnAddress(rest: string): ReturnAddress {
  return JSON.parse(rest) as ReturnAddress;
}
