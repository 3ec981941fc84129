/** What deploy/docker/Dockerfile says of its images, and their files without Docker, for tests that run them. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { root } from './sources.js';

export const dockerfile = join(root, 'deploy/docker/Dockerfile');

export interface Image {
  readonly env: Readonly<Record<string, string>>;
  readonly user: string | undefined;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Of its health check. */
  readonly healthcheck: readonly string[] | undefined;
}

export interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** Each instruction of the file on a line of its own, comments left out. */
export function instructions(file = dockerfile): readonly Instruction[] {
  return readFileSync(file, 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, word, rest] = /^([A-Z]+) (.*)$/.exec(line)!;
      return { word: word!, rest: rest! };
    });
}

/** The images of elsewhere that the file begins with, unless others are given. */
export function bases(): readonly string[] {
  const all = instructions();
  const froms = all.filter(({ word }) => word === 'FROM');
  const stages = new Set(froms.map(({ rest }) => rest.split(' AS ')[1]));
  const given = new Map(
    all.filter(({ word }) => word === 'ARG').map(({ rest }) => rest.split('=', 2) as [string, string]),
  );
  const names = froms.map(({ rest }) => rest.split(' AS ')[0]!).filter((name) => !stages.has(name));
  return names.map((name) => name.replace(/^\$\{(\w+)\}$/, (_, arg: string) => given.get(arg) ?? ''));
}

/** What a stage begins with, and its own instructions; undefined where it is an image of elsewhere. */
function stage(name: string): { readonly from: string; readonly own: readonly Instruction[] } | undefined {
  const all = instructions();
  const start = all.findIndex(({ word, rest }) => word === 'FROM' && rest.endsWith(` AS ${name}`));
  if (start < 0) return undefined;
  const next = all.findIndex(({ word }, index) => index > start && word === 'FROM');
  return {
    from: all[start]!.rest.split(' AS ')[0]!,
    own: all.slice(start + 1, next < 0 ? undefined : next),
  };
}

/** A stage with all that it has from the stages below it. */
export function image(target: string): Image {
  const found = stage(target);
  if (!found) return { env: {}, user: undefined, entrypoint: [], command: [], healthcheck: undefined };
  const { from, own } = found;
  const below = image(from);
  const last = (name: string): string | undefined => own.findLast(({ word }) => word === name)?.rest;
  const list = (text: string | undefined): readonly string[] | undefined =>
    text === undefined ? undefined : (JSON.parse(text) as readonly string[]);
  const env = own
    .filter(({ word }) => word === 'ENV')
    .flatMap(({ rest }) => rest.split(' ').map((pair) => pair.split('=', 2) as [string, string]));
  return {
    env: { ...below.env, ...Object.fromEntries(env) },
    user: last('USER') ?? below.user,
    entrypoint: list(last('ENTRYPOINT')) ?? below.entrypoint,
    command: list(last('CMD')) ?? below.command,
    healthcheck: list(last('HEALTHCHECK')?.replace(/^.* CMD /, '')) ?? below.healthcheck,
  };
}

/**
 * Does in a folder of each stage what the Dockerfile does in its /app, without what needs root: files that are not
 * copied, or commands that fail, show up as they would in the image. Takes as long as two `npm ci` and a build.
 * @returns the folder that is the image's /app
 */
export async function assemble(target: string, folder: string): Promise<string> {
  const made = new Map<string, string>();
  // The packages are the lockfile's in any case; those that npm has already need not be asked for again.
  const env = { ...process.env, npm_config_prefer_offline: 'true' };
  const make = async (name: string): Promise<string> => {
    const app = join(folder, name);
    const { from, own } = stage(name)!;
    if (stage(from)) cpSync(made.get(from) ?? (await make(from)), app, { recursive: true });
    mkdirSync(app, { recursive: true });
    made.set(name, app);
    for (const { word, rest } of own) {
      if (word === 'RUN' && !/^(apt-get|install) /.test(rest))
        await promisify(execFile)('sh', ['-c', rest], { cwd: app, env });
      if (word !== 'COPY') continue;
      const [, other, paths] = /^(?:--from=(\S+) )?(.+)$/.exec(rest)!;
      const [to, ...sources] = paths!.split(' ').reverse() as [string, ...string[]];
      for (const source of sources) {
        const target = join(app, to, to.endsWith('/') ? basename(source) : '');
        if (other === undefined) copyContext(source, target);
        else
          cpSync(join(made.get(other) ?? (await make(other)), relative('/app', source)), target, {
            recursive: true,
          });
      }
    }
    return app;
  };
  return make(target);
}

/** Copies what .dockerignore leaves of a path of the checkout. */
function copyContext(source: string, target: string): void {
  const files = filesOf(source).filter(inContext);
  if (files.length === 0) throw new Error(`COPY ${source}: .dockerignore leaves nothing of it`);
  for (const file of files) {
    const to = join(target, relative(source, file));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(root, file), to);
  }
}

function filesOf(path: string): readonly string[] {
  const entries = readdirSync(join(root, dirname(path)), { withFileTypes: true });
  const entry = entries.find(({ name }) => name === basename(path));
  if (!entry?.isDirectory()) return [path];
  return readdirSync(join(root, path)).flatMap((name) => filesOf(join(path, name)));
}

/** The last line of .dockerignore that fits decides. */
function inContext(file: string): boolean {
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => /^[^#]/.test(line));
  const fits = (pattern: string): boolean => {
    const form = pattern
      .replaceAll('.', '\\.')
      .replaceAll('**/', '(.+/)?')
      .replaceAll(/\*(?!\))/g, '[^/]*');
    return new RegExp(`^${form}(/.*)?$`).test(file);
  };
  return lines.findLast((line) => fits(line.replace(/^!/, '')))?.startsWith('!') ?? true;
}
