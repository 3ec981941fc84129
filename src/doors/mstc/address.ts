/** Where the reply to a message goes, as the job remembers it. */
import type { ConsumeMessage } from 'amqplib';
import { createHash } from 'node:crypto';
import { parseAddress } from '../../amqp/link.js';
import { DrayError } from '../../jobs/errors.js';

export interface ReturnAddress {
  readonly replyTo?: string;
  readonly correlationId?: string;
}

/** As a job remembers it. */
export interface KeptAddress extends ReturnAddress {
  /** Of the RabbitMQ where the message was; absent in jobs of earlier versions. */
  readonly broker?: string;
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

/**
 * Tells one RabbitMQ, and one virtual host in it, from others: a short hash, without user, password, port and TLS, which
 * may change while jobs run.
 * @throws DrayError `invalid-request` where `url` is no amqp:// or amqps:// address.
 */
export function brokerOf(url: string): string {
  const address = parseAddress(url, 'mstc-amqp');
  const place = `${new URL(address.url).hostname.toLowerCase()} ${address.vhost}`;
  return createHash('sha256').update(place).digest('hex').slice(0, 8);
}

/** As a job carries it. @throws DrayError `limit-exceeded` where it is too long for that. */
export function projectionOf(address: KeptAddress): string {
  const rest = JSON.stringify(address);
  if (Buffer.byteLength(rest) <= longestAddress) return `${mstcProjection}:${rest}`;
  throw new DrayError(
    'limit-exceeded',
    `correlation_id: has more than ${longestAddress} bytes together with reply_to, control characters written as \\u0000`,
    { field: 'correlation_id' },
  );
}

/** The address again, from what came after the projection's name. */
export function readReturnAddress(rest: string): KeptAddress {
  return JSON.parse(rest) as KeptAddress;
}
