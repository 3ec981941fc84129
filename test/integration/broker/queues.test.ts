/** What the cluster engine relies on in RabbitMQ while it is there. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../../../src/clock.js';
import { openBroker } from '../../../src/engine/cluster/broker/broker.js';
import { eventually } from '../../support/eventually.js';
import { LogLines } from '../../support/log-lines.js';
import { OwnRabbit, rabbitIsHere } from '../../support/rabbit.js';
import { broker, consume, deadName, messages, queue, queueName, stranger } from './setup.js';

describe.skipIf(!rabbitIsHere)('queues of ready jobs', () => {
  let rabbit: OwnRabbit;
  let url: string;

  beforeAll(async () => {
    rabbit = await OwnRabbit.start();
  });
  afterAll(() => rabbit.remove());
  beforeEach(async () => {
    url = await rabbit.vhost();
  });

  const ids = (from: number, to: number): string[] =>
    messages(to)
      .slice(from)
      .map(({ id }) => id);

  describe('publishing', () => {
    it('says yes for messages that are in their queue, whole, and would survive a restart', async () => {
      const { broker: ours } = await broker(url);
      const sent = [
        { ...queue, id: 'a', emission: 3, body: '{"text":"ü"}' },
        { type: 'x.y:z_1-2', priority: 'high' as const, id: 'b', emission: 1, body: '' },
      ];
      expect(await ours.publish(sent)).toEqual([true, true]);

      const channel = await stranger(url);
      const first = await channel.get(queueName, { noAck: true });
      expect(first && first.content.toString()).toBe('{"text":"ü"}');
      expect(first && first.properties).toMatchObject({
        messageId: 'a',
        deliveryMode: 2,
        contentType: 'application/json',
        headers: { 'x-dray-emission': 3 },
      });
      expect(await channel.checkQueue('dray.ready.x.y:z_1-2.high')).toMatchObject({ messageCount: 1 });
      // A declaration that asks for the same does not fail; any other one would.
      await channel.assertQueue(queueName, {
        durable: true,
        deadLetterExchange: deadName,
        deadLetterRoutingKey: deadName,
        arguments: { 'x-queue-type': 'quorum' },
      });
    });

    it('keeps the order of what is published', async () => {
      const { broker: ours } = await broker(url);
      await Promise.all([ours.publish(messages(3000)), ours.publish([])]);
      const { came, consumption } = await consume(ours, 3000);
      expect(await came(3000)).toEqual(ids(0, 3000));
      expect(consumption.waiting).toBe(3000);
    });

    it('declares a queue anew that somebody has deleted', async () => {
      const { broker: ours } = await broker(url);
      await ours.publish(messages(1));
      await (await stranger(url)).deleteQueue(queueName);
      expect(await ours.publish(messages(200))).toEqual(new Array(200).fill(true));
      expect(await ours.depth(queue)).toEqual({ messages: 200, consumers: 0 });
      expect(ours.totals.returned).toBeGreaterThan(0);
    });

    it('says no for what is above ten thousand unconfirmed ones, and sends the others', async () => {
      const { broker: ours } = await broker(url);
      const answers = await ours.publish(messages(10_100));
      expect(answers.slice(0, 10_000).every(Boolean)).toBe(true);
      expect(answers.slice(10_000).some(Boolean)).toBe(false);
      expect(await ours.publish(messages(1))).toEqual([true]);
    });

    it('says no for a body above 16 MiB, and sends the others', async () => {
      const { broker: ours, log } = await broker(url);
      const [small] = messages(1);
      const large = { ...small!, body: 'x'.repeat(16 * 1024 * 1024 + 1) };
      expect(await ours.publish([small!, large, small!])).toEqual([true, false, true]);
      expect(log.text).toContain('too large');
    });

    it('takes large bodies in one piece', async () => {
      const { broker: ours } = await broker(url);
      const body = 'x'.repeat(1024 * 1024);
      expect(await ours.publish(messages(20, body))).toEqual(new Array(20).fill(true));
      const { came, deliveries } = await consume(ours);
      await came(20);
      expect(deliveries.every((delivery) => delivery.body === body)).toBe(true);
    });
  });

  describe('consuming', () => {
    it('gives no more than the prefetch at a time', async () => {
      const { broker: ours } = await broker(url);
      await ours.publish(messages(10));
      const { came, consumption, deliveries } = await consume(ours, 4);
      await came(4);
      expect(await ours.depth(queue)).toEqual({ messages: 6, consumers: 1 });
      expect(deliveries.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
      consumption.ack(deliveries[2]!);
      expect(await came(7)).toEqual(ids(0, 7));
      expect(deliveries).toHaveLength(7);
    });

    it('gives back what was not settled, in its order', async () => {
      const { broker: ours } = await broker(url);
      await ours.publish(messages(400));
      const first = await consume(ours, 200);
      await first.came(200);
      first.consumption.ack(first.deliveries[49]!);
      await first.came(250);
      await first.consumption.close();

      const second = await consume(ours, 1000);
      expect(await second.came(350)).toEqual(ids(50, 400));
      expect(second.deliveries.filter(({ redelivered }) => redelivered)).toHaveLength(200);
      expect(ours.totals.redelivered).toBe(200);
    });

    it('calls nobody any more once it is told to close, twice at a time too', async () => {
      const { broker: ours } = await broker(url);
      await ours.publish(messages(50));
      const { came, consumption, deliveries, ended } = await consume(ours, 1);
      await came(1);
      consumption.ack(deliveries[0]!);
      await Promise.all([consumption.close(), consumption.close()]);
      consumption.ack(deliveries[0]!);
      expect(deliveries).toHaveLength(1);
      expect(await Promise.race([ended.then(() => 'ended'), clock.sleep(50).then(() => 'still')])).toBe(
        'still',
      );
      await eventually(
        () => ours.depth(queue),
        (depth) => depth?.messages === 49 && depth.consumers === 0,
      );
    });

    it('ends once when its queue is deleted, and begins again where there is none', async () => {
      const { broker: ours } = await broker(url);
      const first = await consume(ours);
      const channel = await stranger(url);
      await channel.deleteQueue(queueName);
      await first.ended;
      await first.consumption.close();
      const second = await consume(ours);
      expect(second.consumption.waiting).toBe(0);
      await ours.publish(messages(1));
      expect(await second.came(1)).toEqual(['job-0']);
    });

    it('gives up what is being opened when the broker is closed', async () => {
      const { broker: ours } = await broker(url);
      await ours.publish(messages(5));
      const opening = Promise.allSettled([consume(ours), consume(ours), consume(ours)]);
      await ours.close();
      for (const result of await opening) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'unavailable' });
        else await result.value.consumption.close();
      }
      await expect(consume(ours)).rejects.toMatchObject({ code: 'unavailable' });
      expect(await ours.publish(messages(1))).toEqual([false]);
      expect(ours.reachable).toBe(false);
      const { broker: theirs } = await broker(url);
      await eventually(
        () => theirs.depth(queue),
        (depth) => depth?.messages === 5 && depth.consumers === 0,
      );
    });
  });

  describe('dead letters', () => {
    it('carry the reason and the message, and settle nothing else', async () => {
      const { broker: ours } = await broker(url);
      await ours.publish(messages(5));
      const { came, consumption, deliveries } = await consume(ours);
      await came(5);
      await consumption.deadLetter(deliveries[3]!, 'not our envelope');
      await consumption.deadLetter(deliveries[1]!, 'its record is gone');
      consumption.ack(deliveries[1]!);
      consumption.ack(deliveries[3]!);
      await consumption.close();
      expect(await (await consume(ours)).came(1)).toEqual(['job-4']);

      const seen: unknown[] = [];
      const handle = (letter: unknown): Promise<boolean> => Promise.resolve(seen.push(letter) > 0);
      expect(await ours.drainDeadLetters({ limit: 10, handle })).toBe(2);
      expect(seen).toEqual([
        { messageId: 'job-3', body: '{}', reason: 'not our envelope' },
        { messageId: 'job-1', body: '{}', reason: 'its record is gone' },
      ]);
      expect(await ours.drainDeadLetters({ limit: 10, handle })).toBe(0);
    });

    it('stay where their handler says no, and at most the limit is taken', async () => {
      const { broker: ours } = await broker(url);
      await ours.publish(messages(5));
      const { came, consumption, deliveries } = await consume(ours);
      await came(5);
      for (const delivery of deliveries) await consumption.deadLetter(delivery, 'why');
      const taken: string[] = [];
      const done = await ours.drainDeadLetters({
        limit: 4,
        handle: ({ messageId }) => {
          taken.push(messageId);
          return Promise.resolve(taken.length % 2 === 0);
        },
      });
      expect([done, taken]).toEqual([2, ids(0, 4)]);
      await expect(
        ours.drainDeadLetters({ limit: 4, handle: () => Promise.reject(new Error('no Redis')) }),
      ).rejects.toThrow('no Redis');
      const rest: string[] = [];
      const all = ours.drainDeadLetters({
        limit: 10,
        handle: ({ messageId }) => Promise.resolve(rest.push(messageId) > 0),
      });
      expect(await all).toBe(3);
      expect(rest.sort()).toEqual(['job-0', 'job-2', 'job-4']);
    });

    it('take what is no message of ours, byte for byte, and what RabbitMQ gave up', async () => {
      const { broker: ours } = await broker(url);
      await ours.publish(messages(1));
      const channel = await stranger(url);
      const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x80]);
      channel.sendToQueue(queueName, bytes);
      const { came, consumption, deliveries } = await consume(ours);
      expect(await came(2)).toEqual(['job-0', '']);
      await consumption.deadLetter(deliveries[1]!, 'unknown');
      const letter = await channel.get(deadName, { noAck: true });
      expect(letter && letter.content).toEqual(bytes);

      await consumption.close();
      const other = await channel.consume(queueName, (message) => channel.nack(message!, false, false));
      const reasons: (string | undefined)[] = [];
      const handle = ({ brokerReason }: { brokerReason: string | undefined }): Promise<boolean> =>
        Promise.resolve(reasons.push(brokerReason) > 0);
      await eventually(
        () => ours.drainDeadLetters({ limit: 1, handle }),
        (done) => done === 1,
      );
      expect(reasons).toEqual(['rejected']);
      await channel.cancel(other.consumerTag);
    });
  });

  describe('a queue that was declared otherwise', () => {
    it('is named with what differs, said once, and harms no other queue', async () => {
      const channel = await stranger(url);
      await channel.assertQueue(queueName, { durable: true });
      const { broker: ours, log } = await broker(url);
      expect(await ours.publish(messages(3))).toEqual([false, false, false]);
      expect(await ours.publish(messages(1))).toEqual([false]);
      const error: unknown = await consume(ours).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'unavailable', field: 'queue' });
      for (const part of [queueName, 'x-dead-letter-exchange', 'delete_queue', '--queue-prefix']) {
        expect((error as Error).message).toContain(part);
      }
      expect(log.lines.filter(({ message }) => message === 'a queue cannot be used')).toHaveLength(1);
      expect(await ours.publish([{ ...messages(1)[0]!, priority: 'high' }])).toEqual([true]);
      expect(await ours.depth(queue)).toEqual({ messages: 0, consumers: 0 });
      expect(ours.reachable).toBe(true);
    });
  });

  it('are known by their depth only where they are', async () => {
    const { broker: ours } = await broker(url);
    expect(await ours.depth(queue)).toBeUndefined();
    await ours.publish(messages(2));
    expect(await ours.depth(queue)).toEqual({ messages: 2, consumers: 0 });
    expect(await ours.depth({ ...queue, priority: 'low' })).toBeUndefined();
  });

  describe('an address', () => {
    const open = (address: string, log = new LogLines()): Promise<unknown> =>
      openBroker({ url: address, clock, log }).then(
        (opened) => opened.close(),
        (reason: unknown) => reason,
      );
    const changed = (change: (parsed: URL) => void): string => {
      const parsed = new URL(url);
      change(parsed);
      return parsed.href;
    };

    it('with a wrong password is refused, and the password shown nowhere', async () => {
      const log = new LogLines();
      const error = await open(
        changed((parsed) => (parsed.password = 'wr0ng-s3cret')),
        log,
      );
      expect(error).toMatchObject({ code: 'unavailable', field: 'queue' });
      expect((error as Error).message).toContain('password');
      const said = `${(error as Error).stack ?? ''} ${JSON.stringify(error)} ${log.text}`;
      expect(said).not.toContain('wr0ng-s3cret');
    });

    it('with a vhost that is not there is refused', async () => {
      const error = await open(changed((parsed) => (parsed.pathname = '/nowhere')));
      expect(error).toMatchObject({ code: 'unavailable', field: 'queue' });
      expect((error as Error).message).toContain('no vhost nowhere');
    });

    it('that is none is refused without being repeated', async () => {
      for (const address of ['', 'redis://:s3cret@h', 'amqp://', 'amqp://u:s3cret@h:port', 's3cret']) {
        const error = await open(address);
        expect(error, address).toMatchObject({ code: 'invalid-request', field: 'queue' });
        expect((error as Error).message).not.toContain('s3cret');
      }
    });

    it('where nobody listens is waited for', async () => {
      const { broker: ours, log } = await broker('amqp://u:s3cret@127.0.0.1:1/x');
      expect(ours.reachable).toBe(false);
      expect(await ours.publish(messages(2))).toEqual([false, false]);
      await expect(consume(ours)).rejects.toMatchObject({ code: 'unavailable' });
      await expect(ours.depth(queue)).rejects.toMatchObject({ code: 'unavailable' });
      await expect(
        ours.drainDeadLetters({ limit: 1, handle: () => Promise.resolve(true) }),
      ).rejects.toMatchObject({ code: 'unavailable' });
      expect(log.text).toContain('127.0.0.1:1, vhost x');
      expect(log.text).not.toContain('s3cret');
    });
  });
});
