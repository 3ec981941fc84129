import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadScripts, scriptNames } from './scripts.js';

const folder = new URL('./lua/', import.meta.url);
const scripts = loadScripts();
const source = (name: string): string => readFileSync(new URL(`${name}.lua`, folder), 'utf8');

describe('scripts', () => {
  test('are all files of the folder but the shared one', () => {
    const files = readdirSync(folder).map((file) => file.replace('.lua', ''));
    expect(files.toSorted()).toEqual([...scriptNames, 'shared'].toSorted());
  });

  test.each(scriptNames)('%s reads the members of a request that its header names', (name) => {
    const used = [...source(name).matchAll(/\brequest\.(\w+)/g)].map(([, member]) => member!);
    expect([...new Set(used)].toSorted()).toEqual(scripts[name].request.toSorted());
  });

  test.each(scriptNames)('%s says what it answers, and begins with what it may do', (name) => {
    expect(source(name)).toMatch(
      /^-- .+\n(?:-- .+\n)*-- flags: .+\n-- request: .+\n(?:-- .+\n)*-- result: .+\n/,
    );
    expect(scripts[name].text).toMatch(/^#!lua(?: flags=(?:allow-oom|no-writes))?\n/);
  });

  test.each(scriptNames)('%s writes only where it may', (name) => {
    const writes =
      /'(?:HSET|SET|DEL|HDEL|ZADD|ZREM|SADD|SREM|INCR|HINCRBY|SPOP)'|finish\(|cancel\(|redrive\(/;
    const readsOnly = scripts[name].text.startsWith('#!lua flags=no-writes');
    expect(readsOnly).toBe(!writes.test(source(name)));
  });
});
