/** What deploy/docker/Dockerfile says of its images, for tests that run them as processes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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

interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** Each instruction of the file on a line of its own, comments left out. */
function instructions(): readonly Instruction[] {
  return readFileSync(dockerfile, 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, word, rest] = /^([A-Z]+) (.*)$/.exec(line)!;
      return { word: word!, rest: rest! };
    });
}

/** The images of elsewhere that the file begins with. */
export function bases(): readonly string[] {
  const froms = instructions().filter(({ word }) => word === 'FROM');
  const stages = new Set(froms.map(({ rest }) => rest.split(' AS ')[1]));
  return froms.map(({ rest }) => rest.split(' AS ')[0]!).filter((name) => !stages.has(name));
}

/** A stage with all that it has from the stages below it. */
export function image(target: string): Image {
  const all = instructions();
  const start = all.findIndex(({ word, rest }) => word === 'FROM' && rest.endsWith(` AS ${target}`));
  if (start < 0) return { env: {}, user: undefined, entrypoint: [], command: [], healthcheck: undefined };
  const below = image(all[start]!.rest.split(' AS ')[0]!);
  const next = all.findIndex(({ word }, index) => index > start && word === 'FROM');
  const own = all.slice(start + 1, next < 0 ? undefined : next);
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
