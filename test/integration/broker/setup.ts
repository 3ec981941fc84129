/** What the tests of the broker share: a broker, a second pair of hands in its vhost, and a consumer that notes. */
import { connect, type Channel } from 'amqplib';
import { onTestFinished } from 'vitest';
import { systemClock as clock } from '../../../src/clock.js';
import {
  openBroker,
  type Broker,
  type Consumption,
  type Delivery,
  type Outgoing,
} from '../../../src/engine/cluster/broker/broker.js';
import { LogLines } from '../../support/log-lines.js';

export const queue = { type: 'echo', priority: 'normal' } as const;
export const queueName = 'dray.ready.echo.normal';
export const deadName = 'dray.dead';

/** So many messages for the queue; the ids tell their order. */
export function messages(count: number, body = '{}'): Outgoing[] {
  return Array.from({ length: count }, (_, index) => ({ ...queue, id: `job-${index}`, emission: 1, body }));
}

/** Closed at the end of the test. */
export async function broker(url: string): Promise<{ broker: Broker; log: LogLines }> {
  const log = new LogLines();
  const opened = await openBroker({ url, clock, log });
  onTestFinished(() => opened.close());
  return { broker: opened, log };
}

/** Somebody else's channel in the same vhost. */
export async function stranger(url: string): Promise<Channel> {
  const connection = await connect(url);
  onTestFinished(() => connection.close());
  return connection.createChannel();
}

export interface Noted {
  readonly consumption: Consumption;
  readonly deliveries: Delivery[];
  readonly ended: Promise<void>;
  /** Resolves when so many have come. */
  readonly came: (count: number) => Promise<readonly string[]>;
}

export async function consume(from: Broker, prefetch = 100): Promise<Noted> {
  const deliveries: Delivery[] = [];
  let wake = (): void => undefined;
  let onEnd = (): void => undefined;
  const ended = new Promise<void>((resolve) => (onEnd = resolve));
  const consumption = await from.consume({
    queue,
    prefetch,
    onDelivery: (delivery) => {
      deliveries.push(delivery);
      wake();
    },
    onEnd,
  });
  const came = async (count: number): Promise<readonly string[]> => {
    while (deliveries.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return deliveries.map(({ messageId }) => messageId);
  };
  return { consumption, deliveries, ended, came };
}
