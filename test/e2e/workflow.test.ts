/** .github/workflows: what CI runs is what anybody can run here. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { filesBelow, root } from '../support/sources.js';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<
      string,
      { readonly if?: string; readonly 'timeout-minutes'?: number; readonly steps: readonly Step[] }
    >
  >;
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> };
/** What npm itself does, and what needs no `run`. */
const builtIn = new Map([
  ['npm ci', ''],
  ['npm test', scripts['test'] ?? ''],
]);

/** Why a command is none of the project's own; undefined where it is one. */
function foreign(command: string): string | undefined {
  const words = command.replace(/^sudo --preserve-env env "PATH=\$PATH" /, '');
  if (builtIn.has(words)) return undefined;
  const [, name] = /^npm run ([\w:]+)( -- [\w "$./=-]+)?$/.exec(words) ?? [];
  if (name !== undefined) return name in scripts ? undefined : `package.json has no script ${name}`;
  const [, file, flags = ''] = /^(?:node|npx vitest run) ([\w./-]+)((?: --[\w-]+)*)$/.exec(words) ?? [];
  if (file === undefined) return 'is no script of the project';
  if (!existsSync(join(root, file))) return `there is no ${file}`;
  const unknown = flags.split(' --').filter((flag) => flag !== '' && !read(file).includes(`--${flag}`));
  return unknown.length === 0 ? undefined : `${file} knows no --${unknown.join(', --')}`;
}

describe.each(filesBelow('.github/workflows', '.yml'))('%s', (path) => {
  const workflow = loadYaml<Workflow>(read(path));
  const jobs = Object.entries(workflow.jobs);
  const steps = jobs.flatMap(([, job]) => job.steps);

  it('runs nothing but scripts of the project', () => {
    const commands = steps.flatMap(({ run }) => run?.trim().split('\n') ?? []);
    expect(commands.length).toBeGreaterThan(5);
    expect(commands.map((command) => [command, foreign(command)]).filter(([, why]) => why)).toEqual([]);
  });

  it('pins each action of others to a commit, and says which version that is', () => {
    const used = [...read(path).matchAll(/uses: (.*)$/gm)].map(([, what]) => what);
    expect(used).toHaveLength(steps.filter(({ uses }) => uses).length);
    for (const what of used) expect(what).toMatch(/^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it('may write nothing, and shows its secrets to nobody but the job that publishes main', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    for (const [name, job] of jobs) {
      if (!JSON.stringify(job).includes('secrets.')) continue;
      expect(job.if, name).toContain("github.ref == 'refs/heads/main'");
    }
  });

  it('ends every job that hangs', () => {
    for (const [name, job] of jobs) expect(job['timeout-minutes'], name).toBeGreaterThan(0);
  });

  it('builds and tests with the Node of the images', () => {
    const [, version] = /^ARG NODE_IMAGE=\S+node:([\d.]+)-/m.exec(read('deploy/docker/Dockerfile'))!;
    const named = [...read(path).matchAll(/node-version: '([\d.]+)'|node:([\d.]+)-/g)];
    expect(named.length).toBeGreaterThan(1);
    for (const [, given, inImage] of named) expect(given ?? inImage).toBe(version);
  });
});
