/** What is podman's own, beyond what every runtime promises (test/conformance/container-runtime.ts). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { openPodman } from '../../../src/tasks/container/podman.js';
import type { ContainerRuntime, ContainerSpec, PodmanOptions } from '../../../src/tasks/container/runtime.js';
import { eventually } from '../../support/eventually.js';
import { podman, testPodman } from '../../support/podman.js';
import { serveImage, type Registry } from './registry.js';

const found = await testPodman();
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const owner = systemClock.token().slice(0, 16);
const opened: ContainerRuntime[] = [];
const started = new Set<string>();
const never = new AbortController().signal;

function open(given: Partial<PodmanOptions> = {}, pullPatienceMs = 60_000): ContainerRuntime {
  const { program, args } = found!;
  const log = { info: () => undefined, warn: () => undefined };
  const options = { program, args, owner, envFile: undefined, clock: systemClock, log };
  const runtime = openPodman({ ...options, ...given }, { pullPatienceMs });
  opened.push(runtime);
  return runtime;
}

function spec(script: string, given: Partial<ContainerSpec> = {}): ContainerSpec {
  const jobId = systemClock.id();
  started.add(jobId);
  const env = { SCRIPT: script, ...given.env };
  const rest = { timeoutMs: 100_000, cpus: 0.25, memory: 64 * 1024 ** 2 };
  return { jobId, name: 'test', image: found!.image, ...rest, ...given, env };
}

/** Of the runtime's commands, one that waits: it is killed from outside. */
function killed(command: string, id: string): boolean {
  const pid = readdirSync('/proc').find((name) => {
    try {
      const words = /^\d+$/.test(name) ? readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0') : [];
      return words[1] === command && words.includes(id);
    } catch {
      return false;
    }
  });
  if (pid !== undefined) process.kill(Number(pid), 'SIGKILL');
  return pid !== undefined;
}

const idOf = async (jobId: string): Promise<string> =>
  (await podman('ps', '-aq', '--no-trunc', `--filter=label=dray.dev/job=${jobId}`)).trim();

async function printed(runtime: ContainerRuntime, jobId: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of runtime.logs({ jobId, signal: never })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe.skipIf(found === undefined)('containers by podman', () => {
  afterEach(async () => {
    const runtime = open();
    await Promise.all([...started].map((jobId) => runtime.remove({ jobId })));
    started.clear();
    await Promise.all(opened.splice(0).map((one) => one.close()));
  });

  it('are waited for when the command that waits is killed', async () => {
    const runtime = open();
    const asked = spec('sleep 6; exit 7');
    await runtime.start(asked);
    const id = await idOf(asked.jobId);
    const end = runtime.wait({ jobId: asked.jobId, signal: never, onState: () => undefined });
    await eventually(() => killed('wait', id), Boolean);
    expect(await end).toMatchObject({ reason: 'exited', exitCode: 7 });
  });

  it('have a log that goes on when the command that reads it is killed', async () => {
    // Not the file, which is read where podman has one.
    const runtime = open({ args: [...found!.args, '--log-driver=json-file'] });
    const asked = spec('echo one; sleep 6; echo two');
    await runtime.start(asked);
    const id = await idOf(asked.jobId);
    const log = runtime.logs({ jobId: asked.jobId, signal: never })[Symbol.asyncIterator]();
    expect(Buffer.from((await log.next()).value as Uint8Array).toString()).toBe('one\n');
    expect(killed('logs', id)).toBe(true);
    expect(Buffer.from((await log.next()).value as Uint8Array).toString()).toBe('two\n');
    expect((await log.next()).done).toBe(true);
  });

  it('lose nothing of a log that is begun anew as it grows', async () => {
    const runtime = open({ args: [...found!.args, '--log-opt=max-size=20k'] });
    const asked = spec(
      `i=0; while [ $i -lt 500 ]; do echo "$i ${'x'.repeat(94)}"; i=$((i+1)); [ $((i%50)) -gt 0 ] || sleep 0.5; done`,
    );
    await runtime.start(asked);
    const lines = (await printed(runtime, asked.jobId)).split('\n').slice(0, -1);
    expect(lines.map((line) => Number(line.split(' ')[0]))).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  it('have their deadline kept by who adopts them', async () => {
    const first = open();
    const asked = spec('sleep 3600', { timeoutMs: 4_000 });
    await first.start(asked);
    await first.close();
    const second = open();
    expect(await second.start(asked)).toMatchObject({ adopted: true });
    const end = await second.wait({ jobId: asked.jobId, signal: never, onState: () => undefined });
    expect(end).toMatchObject({ reason: 'deadline' });
    expect(end.finishedAt - end.startedAt!).toBeGreaterThanOrEqual(4_000);
  });

  it('have their deadline kept by podman where no process of Dray lives', async () => {
    const first = open();
    const asked = spec('sleep 3600', { timeoutMs: 1_000 });
    await first.start(asked);
    await first.close();
    await podman('wait', `test-${asked.jobId}`);
    const second = open();
    const end = await second.wait({ jobId: asked.jobId, signal: never, onState: () => undefined });
    expect(end).toMatchObject({ reason: 'deadline' });
  });

  it('get the operator’s variables, which do not change those of the job', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dray-env-'));
    const envFile = join(folder, 'container.env');
    writeFileSync(envFile, 'ACCESS_KEY=secret\nOWN=theirs\nODD=theirs\n');
    const runtime = open({ envFile });
    const asked = spec('echo "$ACCESS_KEY $OWN $ODD"', { env: { OWN: 'mine', ODD: '"mine"' } });
    await runtime.start(asked);
    expect(await printed(runtime, asked.jobId)).toBe('secret mine "mine"\n');
    rmSync(folder, { recursive: true });
  });

  it('are neither root’s equals nor swappers', async () => {
    const runtime = open();
    const asked = spec('cat /proc/self/status');
    await runtime.start(asked);
    const status = await printed(runtime, asked.jobId);
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  });

  it('end with their image where it has nothing to run', async () => {
    const image = 'localhost/dray-test-nothing:1';
    const container = (await podman('create', ...found!.args, found!.image)).trim();
    await podman('commit', '--quiet', '--change=ENTRYPOINT ["/nothing"]', container, image);
    await podman('rm', container);
    const runtime = open();
    const asked = spec('', { image });
    await runtime.start(asked);
    const end = await runtime.wait({ jobId: asked.jobId, signal: never, onState: () => undefined });
    expect(end).toMatchObject({ reason: 'image', message: expect.stringContaining('/nothing') as string });
    expect(await idOf(asked.jobId)).toBe('');
    await podman('rmi', image);
  });

  it('say that there is no such program', async () => {
    const runtime = open({ program: 'no-such-podman' as 'podman' });
    await expect(runtime.version()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(runtime.list()).rejects.toThrow(/no-such-podman/);
  });

  describe('whose image is elsewhere', () => {
    let registry: Registry;
    beforeAll(async () => {
      registry = await serveImage(found!.image);
      vi.stubEnv('CONTAINERS_REGISTRIES_CONF', registry.conf);
    });
    afterAll(async () => {
      vi.unstubAllEnvs();
      execFileSync('podman', ['rmi', '--force', '--ignore', `${registry.host}/there:1`], { stdio: 'pipe' });
      await registry.close();
    });

    it('run once it is pulled, and can be adopted until then', async () => {
      const runtime = open();
      const go = registry.hold();
      const asked = spec('exit 3', { image: `${registry.host}/there:1` });
      expect(await runtime.start(asked)).toMatchObject({ adopted: false });
      expect(await runtime.start(asked)).toMatchObject({ adopted: true });
      const states: string[] = [];
      const { jobId } = asked;
      const end = runtime.wait({ jobId, signal: never, onState: (state) => states.push(state) });
      expect(states).toEqual(['pulling']);
      expect(await runtime.list()).toEqual([{ jobId, running: true }]);
      go();
      expect(await end).toMatchObject({ reason: 'exited', exitCode: 3 });
    });

    it('are adopted though podman has said of their beginning that it failed', async () => {
      const image = `${registry.host}/there:1`;
      execFileSync('podman', ['rmi', '--force', '--ignore', image], { stdio: 'pipe' });
      const path = process.env['PATH']!;
      const folder = mkdtempSync(join(tmpdir(), 'dray-podman-'));
      const failing = `[ "$1" != run ] || { echo cut off >&2; exit 125; }`;
      const script = `#!/bin/sh\nPATH='${path}' podman "$@" || exit\n${failing}\n`;
      writeFileSync(join(folder, 'podman'), script, { mode: 0o755 });
      vi.stubEnv('PATH', `${folder}:${path}`);
      const runtime = open();
      const asked = spec('sleep 2; exit 3', { image });
      const wait = () => runtime.wait({ jobId: asked.jobId, signal: never, onState: () => undefined });
      try {
        expect(await runtime.start(asked)).toMatchObject({ adopted: false });
        await expect(wait()).rejects.toThrow('cut off');
        expect(await runtime.start(asked)).toMatchObject({ adopted: true });
        expect(await wait()).toMatchObject({ reason: 'exited', exitCode: 3 });
      } finally {
        vi.stubEnv('PATH', path);
        rmSync(folder, { recursive: true });
      }
    });

    it('end at once where the registry does not know it', async () => {
      const runtime = open({}, 1_000_000);
      const { jobId } = await startOf(runtime, 'absent:1');
      const before = registry.asked();
      const end = await runtime.wait({ jobId, signal: never, onState: () => undefined });
      expect(end).toMatchObject({ reason: 'image' });
      expect(end.message).toMatch(/manifest unknown/);
      expect(registry.asked() - before).toBeLessThanOrEqual(2);
      expect(await runtime.list()).toEqual([]);
    });

    it('end where the registry fails for longer than there is patience', async () => {
      const runtime = open({}, 3_000);
      const { jobId } = await startOf(runtime, 'broken:1');
      const end = await runtime.wait({ jobId, signal: never, onState: () => undefined });
      expect(end).toMatchObject({ reason: 'image' });
    });

    it('are none when they are removed meanwhile', async () => {
      const runtime = open();
      const go = registry.hold();
      const { jobId } = await startOf(runtime, 'held:1');
      const end = runtime.wait({ jobId, signal: never, onState: () => undefined });
      await runtime.remove({ jobId });
      expect(await end).toMatchObject({ reason: 'lost' });
      expect(await runtime.list()).toEqual([]);
      go();
    });

    async function startOf(runtime: ContainerRuntime, name: string): Promise<ContainerSpec> {
      const asked = spec('exit 0', { image: `${registry.host}/${name}` });
      await runtime.start(asked);
      return asked;
    }
  });
});
