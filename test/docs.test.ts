/** The generated references are fresh, and say nothing that the code does not. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { optionsPage } from '../src/config/options-page.js';
import { errorCatalogue } from '../src/jobs/errors.js';
import { errorsPage } from '../src/jobs/errors-page.js';
import { isFinal, statuses, transitions } from '../src/jobs/life-cycle.js';
import { filesBelow, root, sourcesBelow } from './support/sources.js';

const text = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('the docs', () => {
  it('list the errors as the catalogue has them', () => {
    expect(text('docs/errors.md')).toBe(errorsPage());
  });

  it('list the options as the table has them', () => {
    expect(text('docs/options.md')).toBe(optionsPage());
  });

  it('name no error that nothing raises', () => {
    const sources = sourcesBelow('src')
      .filter(({ path }) => !path.endsWith('.test.ts') && path !== 'src/jobs/errors.ts')
      .map((source) => source.text)
      .join('\n');
    const unused = Object.keys(errorCatalogue).filter((code) => !sources.includes(`'${code}'`));
    expect(unused).toEqual([]);
  });

  it('mention every room of the house', () => {
    const product = sourcesBelow('src').filter(({ path }) => !path.endsWith('.test.ts'));
    const rooms = new Set(product.map(({ path }) => path.split('/')[1]!));
    for (const name of rooms) expect(text('ARCHITECTURE.md')).toContain(name);
  });

  it('draw the life cycle as its table has it', () => {
    const arrows = [...text('docs/jobs.md').matchAll(/^ +([\w-]+) --> ([\w-]+)/gm)];
    const named = (state: string): readonly string[] => {
      if (state === 'unfinished') return statuses.filter((status) => !isFinal(status));
      return [state === 'running' ? 'in-progress' : state];
    };
    const drawn = arrows.flatMap(([, from, to]) => named(from!).map((one) => `${one} -> ${named(to!)[0]!}`));
    const rows = transitions.flatMap(({ from, to }) => from.map((status) => `${status} -> ${to}`));
    expect(drawn.sort()).toEqual([...new Set(rows)].sort());
  });

  it('link only to files that are there', () => {
    const own = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'examples/README.md'];
    const pages = [...own, ...filesBelow('docs', '.md')];
    const broken = pages.flatMap((page) =>
      [...text(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
        .map(([, target]) => target!)
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page} -> ${target}`),
    );
    expect(broken).toEqual([]);
  });
});
