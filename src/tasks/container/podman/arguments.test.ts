import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../clock.js';
import type { ContainerSpec, PodmanOptions } from '../runtime.js';
import { writeArguments } from './arguments.js';

const jobId = '0198c2b4-0000-7000-8000-000000000001';
const options: PodmanOptions = {
  program: 'podman',
  owner: '0123456789abcdef',
  args: ['--network=none'],
  envFile: '/etc/dray/container.env',
  clock: systemClock,
  log: { info: () => undefined, warn: () => undefined },
};
const spec = (env: ContainerSpec['env']): ContainerSpec => ({
  jobId,
  name: 'test',
  image: 'python',
  env,
  timeoutMs: 1_500,
  cpus: 1.5,
  memory: 64 * 1024 ** 2,
});

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dray-arguments-'));
  return () => rmSync(folder, { recursive: true });
});

async function written(env: ContainerSpec['env'], given: Partial<PodmanOptions> = {}) {
  const image = 'docker.io/library/python:latest';
  const { args, file } = await writeArguments({
    spec: spec(env),
    image,
    folder,
    options: { ...options, ...given },
  });
  return { args, file, text: readFileSync(file, 'utf8') };
}

describe('the arguments of a container', () => {
  it('keep plain values out of the list of processes, in a file of the owner alone', async () => {
    const { args, file, text } = await written({ URL: 'https://s3.example/b?x=1&y=%20', SECRET: 'hush!' });
    expect(text).toBe('URL=https://s3.example/b?x=1&y=%20\nSECRET=hush!\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(args.join(' ')).not.toContain('hush');
  });

  it.each(['', ' around ', 'two\nlines', '"quoted"', "'quoted'", 'back\\slash', '$HOME', '#comment'])(
    'give %j as it is, which not every version reads alike from a file',
    async (value) => {
      const { args, text } = await written({ ODD: value });
      expect(args).toContain(`--env=ODD=${value}`);
      expect(text.trim()).toBe('');
    },
  );

  it('have the operator’s own after those of Dray, his variables before those of the job', async () => {
    const { args, file } = await written({ A: 'b' });
    const files = args.filter((arg) => arg.startsWith('--env-file='));
    expect(files).toEqual(['--env-file=/etc/dray/container.env', `--env-file=${file}`]);
    expect(args.slice(-3)).toEqual(['--network=none', '--', 'docker.io/library/python:latest']);
  });

  it('are none to docker that podman alone knows', async () => {
    const { args } = await written({}, { program: 'docker' });
    expect(args).toContain('--log-driver=json-file');
    expect(args.filter((arg) => /^--(timeout|http-proxy)/.test(arg))).toEqual([]);
  });
});
