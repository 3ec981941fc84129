import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { echo } from './echo.js';
import { addTasks } from './load.js';
import { TaskRegistry } from './registry.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'dray-load-'))));
afterAll(() => rmSync(folder, { recursive: true }));

let written = 0;
function moduleOf(source: string): string {
  const file = join(folder, `module-${++written}.mjs`);
  writeFileSync(file, source);
  return file;
}

const task = (type: string, rest = ''): string =>
  `{ type: '${type}', input: {}, output: {}, run: (input) => input, ${rest} }`;

async function typesFrom(...files: string[]): Promise<readonly string[]> {
  const registry = new TaskRegistry([echo]);
  await addTasks(registry, files, new ManualClock());
  return registry.types.filter((type) => type !== 'echo');
}

describe('a module of tasks', () => {
  it.each([
    ['one task by default', `export default ${task('a')}`, ['a']],
    ['an array by default', `export default [${task('a')}, ${task('b')}]`, ['a', 'b']],
    ['tasks by name, among other things', `export const a = ${task('a')}; export const limit = 3;`, ['a']],
    ['a task both by default and by name', `export const a = ${task('a')}; export default a;`, ['a']],
    ['both kinds', `export const a = ${task('a')}; export default [${task('b')}];`, ['b', 'a']],
  ])('may export %s', async (_title, source, types) => {
    expect(await typesFrom(moduleOf(source))).toEqual(types);
  });

  it('is one of several', async () => {
    const files = ['a', 'b'].map((type) => moduleOf(`export default ${task(type)}`));
    expect(await typesFrom(...files)).toEqual(['a', 'b']);
  });

  it.each([
    ['exports nothing', '', /exports no task/],
    ['exports something else', 'export default 42', /exports no task/],
    ['has a list with something else', 'export default [null]', /default\[0\] is no task: it is null/],
    ['has a task without a type', `export const a = { run() {} }`, /export a .*type must be/],
    ['has a type that no address can hold', `export default ${task('a/b')}`, /its type must be/],
    [
      'has a task without a schema',
      `export default { type: 'a', output: {}, run() {} }`,
      /its input must be/,
    ],
    ['has a task without run', `export default [{ type: 'a', input: {}, output: {} }]`, /its run must be/],
    ['has an admit that is none', `export default ${task('a', 'admit: 1')}`, /its admit must be/],
    ['says inline in another way', `export default ${task('a', "inline: 'yes'")}`, /its inline must be/],
    ['has no whole slots', `export default ${task('a', 'inline: true, slots: 0')}`, /its slots must be/],
    [
      'resumes and has no slots',
      `export default ${task('a', 'inline: true, resumes: true')}`,
      /only a task with slots of its own resumes/,
    ],
    [
      'has slots and is not inline',
      `export default ${task('a', 'slots: 2')}`,
      /only an inline task has slots/,
    ],
    ['has a timeoutMs that is none', `export default ${task('a', 'timeoutMs: 5')}`, /its timeoutMs must be/],
    [
      'has a schema that cannot be compiled',
      `export default { ...${task('a')}, output: { type: 'string', pattern: '(' } }`,
      /its output schema cannot be used: .*regular expression/,
    ],
    ['takes the name of a built-in task', `export default ${task('echo')}`, /another task .* "echo"/],
    ['names a type twice', `export default [${task('a')}, ${task('a')}]`, /another task .* "a"/],
    ['throws', `throw new Error('no database')`, /no database/],
    ['throws what is no error', `throw 'no database'`, /no database/],
    ['needs a package that is not there', `import 'nowhere-to-be-found'`, /nowhere-to-be-found/],
  ])('that %s is refused by its name', async (_title, source, why) => {
    const file = moduleOf(source);
    const failure = await typesFrom(file).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'invalid-task', message: expect.stringMatching(why) as unknown });
    expect((failure as Error).message).toContain(`--tasks ${file}: `);
  });

  it('that is not there is refused', async () => {
    await expect(typesFrom(join(folder, 'absent.mjs'))).rejects.toThrow(/absent\.mjs: there is no such file/);
  });

  it('that never ends loading is refused after 30 s', async () => {
    const clock = new ManualClock();
    const file = moduleOf('await new Promise(() => setInterval(() => {}, 1_000));');
    const loading = addTasks(new TaskRegistry([]), [file], clock);
    const refused = expect(loading).rejects.toThrow(/has not ended after 30 s/);
    while (clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(30_000);
    await refused;
  });
});
