import { describe, expect, it } from 'vitest';
import type { Parcel } from '../../amqp/publisher.js';
import type { Job } from '../../engine/engine.js';
import { MemoryBlobs } from '../../testing/index.js';
import { brokerOf, projectionOf } from './address.js';
import { replyByMessage } from './replies.js';

const job = { id: 'j', version: 1, status: 'completed', input: { inline: { name: 'a' } } } as unknown as Job;

/** What is sent for a job whose message came from `from`, by a process that replies to `to`. */
async function sent(from: string | undefined, to: string): Promise<string[]> {
  const queues: string[] = [];
  const send = (parcels: readonly Parcel[]): Promise<void> =>
    Promise.resolve(void queues.push(...parcels.map(({ queue }) => queue)));
  const project = replyByMessage({
    sender: () => Promise.resolve({ send, reachable: true }),
    blobs: new MemoryBlobs(),
    broker: brokerOf(to),
    results: 'results',
  });
  const projection = projectionOf({ replyTo: 'mine', ...(from !== undefined && { broker: brokerOf(from) }) });
  await project(job, projection.slice(projection.indexOf(':') + 1));
  return queues;
}

describe('a reply by message', () => {
  it('is sent where the message came from, whatever the user, the port and the case of the host are', async () => {
    expect(await sent('amqp://a:b@rabbit:5672/x', 'amqps://c:d@Rabbit/x')).toEqual(['results', 'mine']);
    expect(await sent('amqp://rabbit', 'amqp://rabbit/%2F')).toEqual(['results', 'mine']);
    expect(await sent(undefined, 'amqp://rabbit')).toEqual(['results', 'mine']);
  });

  it.each(['amqp://other/x', 'amqp://rabbit/y', 'amqp://rabbit'])(
    'waits where this process knows only another RabbitMQ: %s',
    async (to) => {
      await expect(sent('amqp://rabbit/x', to)).rejects.toThrow(/came from another RabbitMQ.*--mstc-amqp/);
    },
  );
});
