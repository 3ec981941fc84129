/** What `npm pack` makes of a clean checkout, installed into an empty folder, is all that a user needs. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../support/server.js';
import { root } from '../support/sources.js';

const run = promisify(execFile);
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const checkout = ['src', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
const documents = ['README.md', 'LICENSE', 'CHANGELOG.md'];

let folder: string;
/** Where a user has installed it. */
let home: string;
let installed: string;
let packed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-package-'));
  const clean = join(folder, 'clean');
  home = join(folder, 'home');
  await mkdir(home);
  for (const name of [...checkout, ...documents])
    await cp(join(root, name), join(clean, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(clean, 'node_modules'));
  // There is no dist/ there: prepack has to build it.
  await run('npm', ['pack', '--pack-destination', folder], { cwd: clean });
  packed = join(
    folder,
    (await readdir(folder)).find((name) => name.endsWith('.tgz'))!,
  );
  await writeFile(join(home, 'package.json'), '{ "private": true, "type": "module" }');
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' }; // as docs/models.md says
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', packed], { cwd: home, env });
  installed = join(home, 'node_modules/dray');
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function filesOf(path: string): Promise<{ name: string; size: number }[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.map(async (file) => ({ name: file.slice(path.length + 1), size: (await stat(file)).size })),
  );
}

/** A user's program: it is checked by the compiler, then run. */
const program = `
import { ClientError, DrayClient, type BuiltInTasks, type JobEvent } from 'dray/client';

const client = new DrayClient({ baseUrl: process.argv[2]! });
const job = await client.submitAndWait({ type: 'matmul', input: { a: [[1, 2]], b: [[3], [4]] } });
const output: BuiltInTasks['matmul']['output'] | undefined = job.result;
const product = output !== undefined && 'product' in output ? output.product : undefined;
const events: JobEvent[] = [];
for await (const event of client.events(job.id)) events.push(event);
// @ts-expect-error the input of matmul is missing
const refused = await client.submit({ type: 'matmul' }).catch((error: unknown) => error);
console.log(JSON.stringify({
  product,
  events: events.map(({ status }) => status),
  refused: refused instanceof ClientError && refused.code,
}));
`;

describe('the package', () => {
  it('holds what is needed to run and to compile against it, and nothing else', async () => {
    const files = await filesOf(installed);
    const names = files.map(({ name }) => name);
    const unneeded = names.filter(
      (name) => !/^dist\/.+\.(?:js|d\.ts|sql|lua|html|css|svg)$/.test(name) || /\.test\.|\.map$/.test(name),
    );
    expect(unneeded.sort()).toEqual([...documents, 'package.json'].sort());
    const scripts = (await filesOf(join(root, 'src'))).filter(({ name }) => /\.(?:sql|lua)$/.test(name));
    expect(names).toEqual(expect.arrayContaining(scripts.map(({ name }) => `dist/${name}`)));
    // docs/client.md says these bounds.
    expect((await stat(packed)).size).toBeLessThan(640 * 1024);
    expect(files.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(2_048 * 1024);
  });

  it('loads for a client nothing but node’s own modules and a few files of its own', async () => {
    const seen = new Set<string>();
    const foreign: string[] = [];
    const visit = async (file: string): Promise<void> => {
      if (seen.has(file)) return;
      seen.add(file);
      const code = await readFile(file, 'utf8');
      for (const [, target] of code.matchAll(
        /^(?:import|export)\b[^;]*?from '([^']+)'|^import '([^']+)'/gm,
      )) {
        if (target?.startsWith('.')) await visit(join(dirname(file), target));
        else if (!target?.startsWith('node:')) foreign.push(`${file}: ${target ?? 'unnamed'}`);
      }
    };
    const dist = join(installed, 'dist');
    await visit(join(dist, 'client/index.js'));
    expect(foreign).toEqual([]);
    const rooms = new Set([...seen].map((file) => file.slice(dist.length + 1).split('/')[0]));
    expect([...rooms].sort()).toEqual(['client', 'clock.js', 'jobs']);
  });

  it('serves jobs by its command, and its client takes a typed program from submit to result', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    const { stdout } = await run('npx', ['--no-install', 'dray', '--version'], { cwd: home });
    expect(stdout.trim()).toBe(version);
    const server = await startServer({ main: join(home, 'node_modules/.bin/dray') });
    try {
      await writeFile(join(home, 'program.ts'), program);
      const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
      const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
      const target = ['--target', 'es2023', '--module', 'nodenext', '--skipLibCheck'];
      await run(process.execPath, [tsc, ...strict, ...target, ...types, 'program.ts'], { cwd: home }).catch(
        (error: unknown) => {
          throw new Error(`the compiler refused: ${(error as { stdout: string }).stdout}`);
        },
      );
      const ran = await run(process.execPath, ['program.js', server.url], { cwd: home });
      expect(JSON.parse(ran.stdout)).toEqual({
        product: [[11]],
        events: ['completed'],
        refused: 'invalid-request',
      });
    } finally {
      await server.stop();
    }
  }, 300_000);

  it('says plainly that there is nothing else to import', async () => {
    const importing = run(process.execPath, ['-e', "import('dray/dist/engine/engine.js')"], { cwd: home });
    await expect(importing).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});
