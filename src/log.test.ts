import { describe, expect, it } from 'vitest';
import { withoutPassword } from './log.js';

describe('an address that is shown', () => {
  it.each([
    ['amqp://me:secret@host:5672/vhost', 'amqp://me:***@host:5672/vhost'],
    ['redis://:secret@host', 'redis://:***@host'],
    ['redis://me:se/cr@et@host/0', 'redis://me:***@host/0'],
    ['redis://host/0?password=secret&db=1', 'redis://host/0?password=***&db=1'],
    ['amqp://host:5672', 'amqp://host:5672'],
    ['s3://bucket/prefix?endpoint=http://host:9000', 's3://bucket/prefix?endpoint=http://host:9000'],
  ])('has no password: %s', (address, shown) => expect(withoutPassword(address)).toBe(shown));
});
