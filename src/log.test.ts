import { describe, expect, it } from 'vitest';
import { Trouble, withoutPassword } from './log.js';

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

describe('a trouble', () => {
  it('is said once, and once that it is over', () => {
    const said: unknown[] = [];
    const trouble = new Trouble({
      log: {
        info: (message) => said.push(message),
        warn: (message, details) => said.push([message, details]),
      },
      begins: 'away',
      ends: 'back',
    });
    trouble.over();
    trouble.met({ error: 'first' });
    trouble.met({ error: 'second' });
    trouble.over();
    trouble.over();
    trouble.met({ error: 'third' });
    expect(said).toEqual([['away', { error: 'first' }], 'back', ['away', { error: 'third' }]]);
  });
});
