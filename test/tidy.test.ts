/** The repository's own rules: the house, its directions, and habits that review alone would not keep. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesBelow, root, sourcesBelow } from './support/sources.js';

/** Which rooms a room may import from; compose/ and main.ts may import from all. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'clock.ts': [],
  'log.ts': [],
  jobs: [],
  contract: ['jobs'],
  json: ['jobs'],
  config: ['log.ts', 'jobs'],
  keys: ['clock.ts', 'jobs'],
  blobs: ['clock.ts', 'log.ts', 'jobs'],
  amqp: ['clock.ts', 'log.ts', 'jobs'],
  kubernetes: ['clock.ts', 'log.ts', 'jobs'],
  engine: ['clock.ts', 'log.ts', 'contract', 'jobs', 'amqp'],
  tasks: ['clock.ts', 'log.ts', 'contract', 'jobs', 'json', 'blobs', 'kubernetes', 'engine'],
  testing: ['clock.ts', 'jobs', 'blobs', 'tasks'],
  worker: ['clock.ts', 'log.ts', 'contract', 'jobs', 'blobs', 'engine', 'tasks'],
  control: ['clock.ts', 'log.ts', 'contract', 'jobs', 'blobs', 'kubernetes', 'engine', 'tasks'],
  http: ['clock.ts', 'log.ts', 'contract', 'jobs', 'json', 'blobs', 'engine', 'tasks', 'keys'],
  doors: ['clock.ts', 'log.ts', 'contract', 'jobs', 'json', 'amqp', 'blobs', 'engine', 'tasks', 'http'],
  client: ['clock.ts', 'contract', 'jobs', 'tasks'], // of tasks the types only: test/e2e/package.test.ts
  cli: ['clock.ts', 'contract', 'jobs', 'config', 'client', 'keys'],
};

/** What stands at the door of a room with a seam; all else in it lies behind the seam. */
const doors: Readonly<Record<string, readonly string[]>> = {
  engine: ['src/engine/engine.ts'],
  blobs: ['src/blobs/blob-store.ts', 'src/blobs/payload.ts'],
};

const all = sourcesBelow('src');
const product = all.filter(({ path }) => !path.endsWith('.test.ts'));
const tests = [...all.filter(({ path }) => path.endsWith('.test.ts')), ...sourcesBelow('test')];
const room = (path: string): string => path.split('/')[1]!;

describe('the house', () => {
  it('lets imports go in one direction only', () => {
    const wrong = product
      .filter(({ path }) => room(path) !== 'compose' && room(path) !== 'main.ts')
      .flatMap(({ path, imports }) =>
        imports
          .filter((target) => room(target) !== room(path) && !allowed[room(path)]?.includes(room(target)))
          .map((target) => `${path} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('lets only compose reach behind a seam', () => {
    const wrong = product
      .filter(({ path }) => room(path) !== 'compose')
      .flatMap(({ path, imports }) =>
        imports
          .filter((target) => room(target) !== room(path) && doors[room(target)]?.includes(target) === false)
          .map((target) => `${path} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('has no drawers for odds and ends', () => {
    const kinds = /(^|\/)(utils?|helpers?|common|misc|shared|types|interfaces|services|models)(\.ts|\/)/;
    expect(product.filter(({ path }) => kinds.test(path)).map(({ path }) => path)).toEqual([]);
  });

  it('runs every implementation of a seam through its conformance suite', () => {
    const suites = tests.filter(({ path }) => /^test\/(conformance|cluster)\//.test(path));
    const wired = new Set(suites.flatMap(({ imports }) => imports));
    expect([...wired]).toEqual(
      expect.arrayContaining([
        'src/engine/sqlite/index.ts',
        'src/blobs/filesystem.ts',
        'test/conformance/engine.ts',
        'src/tasks/container/podman.ts',
        'test/conformance/container-runtime.ts',
      ]),
    );
    const engines = product.filter(({ path }) => /^src\/engine\/[^/]+\/index\.ts$/.test(path));
    const stores = product.filter(
      ({ path }) => /^src\/blobs\/[^/]+\.ts$/.test(path) && !doors['blobs']!.includes(path),
    );
    const runtimes = product.filter(({ text }) => /\bimplements ContainerRuntime\b/.test(text));
    for (const { path } of [...engines, ...stores, ...runtimes]) expect(wired, path).toContain(path);
  });

  it('keeps files small enough to read', () => {
    const sizes = product.map(({ lines }) => lines).sort((a, b) => a - b);
    expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(150);
    for (const { path, lines } of product) {
      if (lines > 400) console.warn(`${path} has ${lines} lines; plan its split`);
      expect(lines, path).toBeLessThanOrEqual(600);
    }
  });
});

describe('the sources', () => {
  const offenders = (pattern: RegExp, except: (path: string) => boolean): string[] =>
    product.filter(({ path, text }) => !except(path) && pattern.test(text)).map(({ path }) => path);

  it('take time, timers and chance from the clock alone', () => {
    // A socket's own setTimeout sets no timer of ours: it says when node calls the connection idle.
    const pattern =
      /\bDate\.now\(|(?<!\.)\bsetTimeout\(|\bsetInterval\(|\bMath\.random\(|\bperformance\.now\(|timers\/promises/;
    expect(offenders(pattern, (path) => path === 'src/clock.ts')).toEqual([]);
  });

  it('read the environment in config alone', () => {
    expect(offenders(/\bprocess\.env\b/, (path) => path.startsWith('src/config/'))).toEqual([]);
  });

  it('hold no any', () => {
    expect(
      offenders(/^(?!\s*(?:\/\/|\*|\/\*)).*(?::\s*any\b|\bas any\b|<any>|\bany\[\])/m, () => false),
    ).toEqual([]);
  });

  it('carry no path of a particular machine', () => {
    const texts = [
      'README.md',
      'ARCHITECTURE.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      ...filesBelow('docs', '.md'),
    ]
      .filter((path) => existsSync(join(root, path)))
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
    const wrong = [...all, ...texts].filter(({ text }) => /(^|[\s'"`(])\/(work|root|home)\//m.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('describe every SQL statement in its header', () => {
    for (const path of filesBelow('src/engine', '.sql')) {
      expect(readFileSync(join(root, path), 'utf8'), path).toMatch(/^--/);
    }
  });
});

describe('the tests', () => {
  it('have no two with one title', () => {
    const seen = new Map<string, string>();
    const twice: string[] = [];
    for (const { path, text } of tests) {
      let group = '';
      for (const [, word, title] of text.matchAll(
        /\b(describe|it|test)(?:\.\w+(?:\([^)]*\))?)?\(\s*['"`]([^'"`]+)['"`]/g,
      )) {
        if (word === 'describe') group = title!;
        else {
          const key = `${group} / ${title!}`;
          if (seen.has(key)) twice.push(`${key}: ${seen.get(key)!} and ${path}`);
          seen.set(key, path);
        }
      }
    }
    expect(twice).toEqual([]);
  });

  it('leave none out silently', () => {
    const wrong = tests.filter(({ text }) => /\b(it|test|describe)\.(skip|todo|only)\(/.test(text));
    expect(wrong.map(({ path }) => path).filter((path) => path !== 'test/tidy.test.ts')).toEqual([]);
  });
});
