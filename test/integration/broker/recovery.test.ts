/** RabbitMQ killed, frozen, full, and back. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { OwnRabbit, rabbitIsHere } from '../../support/rabbit.js';
import { broker, consume, messages, queue, queueName } from './setup.js';

describe.skipIf(!rabbitIsHere)('RabbitMQ away and back', () => {
  let rabbit: OwnRabbit;
  let url: string;

  beforeAll(async () => {
    rabbit = await OwnRabbit.start();
  });
  afterAll(() => rabbit.remove());
  beforeEach(async () => {
    url = await rabbit.vhost();
  });

  it('keeps what it confirmed when it is killed, and is used again when it is back', async () => {
    // RabbitMQ 3.10 can lose a quorum queue that was made in the second before the kill.
    const { broker: maker } = await broker(url);
    await maker.publish(messages(1));
    await maker.close();
    await rabbit.control('stop_app');
    await rabbit.control('start_app');

    const { broker: ours, log } = await broker(url);
    const first = await consume(ours, 10);
    await ours.publish(messages(100).slice(1));
    await first.came(10);

    const underWay = ours.publish(messages(5_000));
    await rabbit.kill();
    await first.ended;
    const confirmed = (await underWay).filter(Boolean).length;
    await eventually(
      () => ours.reachable,
      (reachable) => !reachable,
    );
    first.consumption.ack(first.deliveries[9]!);
    await first.consumption.deadLetter(first.deliveries[9]!, 'too late');
    await first.consumption.close();
    expect(await ours.publish(messages(3))).toEqual([false, false, false]);
    await expect(consume(ours)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(ours.depth(queue)).rejects.toMatchObject({ code: 'unavailable' });

    await rabbit.restart();
    await eventually(
      () => ours.reachable,
      (reachable) => reachable,
    );
    const second = await eventually(
      () => consume(ours, 10_000).catch(() => undefined),
      (consumption) => consumption !== undefined,
    );
    expect(second!.consumption.waiting).toBeGreaterThanOrEqual(100 + confirmed);
    expect((await second!.came(second!.consumption.waiting)).slice(0, 12)).toEqual(
      messages(12).map(({ id }) => id),
    );
    expect(await ours.publish(messages(2))).toEqual([true, true]);
    const states = log.lines
      .filter(({ details }) => details?.['connection'] === 'dray consuming')
      .map(({ message }) => message);
    expect(states).toEqual(['RabbitMQ is connected', 'RabbitMQ is away', 'RabbitMQ is connected']);
    expect(log.text).not.toContain('guest:');
  });

  it('takes no messages while its memory is used up, and gives out what it has', async () => {
    const { broker: ours, log } = await broker(url);
    await ours.publish(messages(20));
    await rabbit.control('set_vm_memory_high_watermark', '0.0001');
    // Only who publishes is told.
    const answers = await eventually(
      () => ours.publish(messages(5)),
      () => !ours.reachable,
    );
    expect(answers).toEqual(new Array(5).fill(false));
    expect(await ours.publish(messages(1))).toEqual([false]);
    const { came, consumption, deliveries } = await consume(ours);
    await came(20);
    await consumption.deadLetter(deliveries[0]!, 'cannot be said now');
    consumption.ack(deliveries.at(-1)!);

    await rabbit.control('set_vm_memory_high_watermark', '0.4');
    await eventually(
      () => ours.reachable,
      (reachable) => reachable,
    );
    expect(await ours.publish(messages(2))).toEqual([true, true]);
    expect(log.text).toContain('takes no messages');
    expect(log.text).toContain('takes messages again');
    let reason: string | undefined;
    const handle = (letter: { brokerReason: string | undefined }): Promise<boolean> => {
      reason = letter.brokerReason;
      return Promise.resolve(true);
    };
    expect(await ours.drainDeadLetters({ limit: 10, handle })).toBe(1);
    expect(reason).toBe('rejected');
  });

  it('is not waited for without end when it hangs', async () => {
    const { broker: ours } = await broker(`${url}?heartbeat=1`);
    await ours.publish(messages(1));
    rabbit.freeze();
    try {
      expect(await ours.publish(messages(2))).toEqual([false, false]);
      await expect(ours.depth(queue)).rejects.toMatchObject({ code: 'unavailable' });
      await eventually(
        () => ours.reachable,
        (reachable) => !reachable,
      );
      const { broker: theirs } = await broker(url);
      expect(theirs.reachable).toBe(false);
      await theirs.close();
    } finally {
      rabbit.thaw();
    }
    await eventually(
      () => ours.reachable,
      (reachable) => reachable,
    );
    expect(await ours.publish(messages(1))).toEqual([true]);
  });

  it('is let go of at once while it hangs, and its silence is said', async () => {
    const { broker: ours, log } = await broker(url);
    await ours.publish(messages(1));
    rabbit.freeze();
    try {
      await expect(consume(ours)).rejects.toThrow('has not answered');
      await expect(consume(ours)).rejects.toMatchObject({ code: 'unavailable' });
      await ours.close();
    } finally {
      rabbit.thaw();
    }
    expect(ours.reachable).toBe(false);
    const said = log.lines.filter(({ message }) => message === 'a queue cannot be used');
    expect(said.map(({ details }) => details?.['queue'])).toEqual([queueName]);
  });

  it('may come back empty', async () => {
    const { broker: ours } = await broker(url);
    await ours.publish(messages(10));
    const vhost = new URL(url).pathname.slice(1);
    await rabbit.control('delete_vhost', vhost);
    await eventually(
      () => ours.reachable,
      (reachable) => !reachable,
    );
    await rabbit.control('add_vhost', vhost);
    await rabbit.control('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*');
    await eventually(
      () => ours.publish(messages(3)),
      (answers) => answers.every(Boolean),
    );
    expect(await ours.depth(queue)).toMatchObject({ messages: 3 });
  });
});
