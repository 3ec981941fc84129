import { describe, expect, test } from 'vitest';
import { parseSelector } from './label-selector.js';

const labels = { pool: 'gpu', tier: '', size: '4', 'dray.dev/zone': 'a-1' };

describe('a label selector', () => {
  test.each([
    ['', true],
    ['pool=gpu', true],
    ['pool==gpu', true],
    [' pool = gpu ', true],
    ['pool=cpu', false],
    ['pool!=cpu', true],
    ['pool!=gpu', false],
    ['other!=gpu', true],
    ['other=', false],
    ['tier=', true],
    ['tier', true],
    ['other', false],
    ['!other', true],
    ['! pool', false],
    ['pool in (gpu)', true],
    ['pool in (cpu, gpu)', true],
    ['pool in(cpu,gpu)', true],
    ['pool in (cpu)', false],
    ['tier in (x,)', true],
    ['pool notin (cpu,tpu)', true],
    ['pool notin (cpu,gpu)', false],
    ['other notin (cpu)', true],
    ['dray.dev/zone=a-1', true],
    ['size>3', true],
    ['size > 4', false],
    ['size<5', true],
    ['pool>3', false],
    ['pool in (cpu,gpu),tier,!other,size>3', true],
    ['pool in (cpu,gpu),other', false],
    ['in in (in)', false],
    ['constructor', false],
  ])('%s: %s', (selector, expected) => {
    expect(parseSelector(selector)(labels)).toBe(expected);
  });

  test.each([
    'pool=gpu,',
    ',pool',
    'pool=a=b',
    'pool in ()',
    'pool in',
    'pool in gpu',
    'pool in (gpu',
    'pool in (gpu))',
    'pool like gpu',
    'pool in (gpu,-x)',
    'pool notin (g"u)',
    `pool in (a${' ,'.repeat(300)}"`,
    'size>x',
    '-pool=gpu',
    'pool="gpu"',
    '!pool=gpu',
    `pool=${'x'.repeat(5_000)}`,
  ])('is refused with what is wrong of it: %s', (selector) => {
    expect(() => parseSelector(selector)).toThrow(/^labelSelector: /);
  });
});
