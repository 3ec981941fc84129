import { describe, expect, it } from 'vitest';
import { parseAddress } from './link.js';

describe('the address of RabbitMQ', () => {
  it('is shown without who logs in', () => {
    expect(parseAddress('amqp://me:s3cret@mq.example:5673/jobs').shown).toBe('mq.example:5673, vhost jobs');
    expect(parseAddress('amqps://me:s3cret@mq.example').shown).toBe('mq.example:5671, vhost /');
    expect(parseAddress('amqp://[::1]//').shown).toBe('[::1]:5672, vhost /');
    expect(parseAddress('amqp://h/a%2Fb').vhost).toBe('a/b');
  });

  it('asks for a heartbeat, unless it says another one', () => {
    expect(parseAddress('amqp://h').url).toBe('amqp://h?heartbeat=5');
    expect(parseAddress('amqp://h/v?heartbeat=30').url).toBe('amqp://h/v?heartbeat=30');
  });

  it('is refused where it cannot be one', () => {
    for (const url of ['', 'h:5672', 'amqp://', 'http://h', 'amqp://h/%zz', 'amqp://h:port']) {
      expect(() => parseAddress(url), url).toThrow('queue: must be amqp://');
    }
  });
});
