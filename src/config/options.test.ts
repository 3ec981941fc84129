import { describe, expect, it } from 'vitest';
import { parseBytes, readConfig } from './options.js';

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['17', 17],
    ['64k', 65_536],
    ['512m', 536_870_912],
    ['2g', 2_147_483_648],
    ['1.5 GiB', 1_610_612_736],
    ['1t', 1_099_511_627_776],
  ])('reads %s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  it.each(['', 'g', '-1', '1x', '1e9', '0x10'])('refuses "%s"', (text) =>
    expect(parseBytes(text)).toBeUndefined(),
  );
});

describe('the configuration', () => {
  it('takes flags before variables before defaults', () => {
    const environment = { DRAY_PORT: '9000', DRAY_DATA: '/from/env' };
    expect(readConfig({ port: '7000' }, environment)).toMatchObject({
      port: 7000,
      data: '/from/env',
      host: '127.0.0.1',
    });
  });

  it('is frozen', () => {
    expect(Object.isFrozen(readConfig({}, {}))).toBe(true);
  });

  it('shares the memory among the executors where it is scarce', () => {
    const many = readConfig({ executors: '1000' }, {});
    expect(many.executorMemory * many.executors).toBeLessThan(
      readConfig({ executors: '1' }, {}).executorMemory * 1000,
    );
  });

  it.each([
    [{ port: '70000' }, /--port.*DRAY_PORT.*65535/],
    [{ port: 'http' }, /whole number/],
    [{ executors: '0' }, /--executors/],
    [{ executorMemory: '10m' }, /at least 256m/],
    [{ bodyLimit: 'much' }, /--body-limit.*size/],
  ])('names the option that is wrong: %o', (flags, message) => {
    expect(() => readConfig(flags, {})).toThrow(message);
  });
});
