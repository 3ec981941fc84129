/**
 * Containers for tests where podman or docker can run them, which only trying tells: without, the tests are skipped,
 * in CI too.
 *
 *     DRAY_TEST_CONTAINER_ARGS="--network=host …"        what `podman run` needs on this machine
 */
import { execFile, execFileSync } from 'node:child_process';
import { accessSync, chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface TestPodman {
  readonly program: 'podman' | 'docker';
  /** What `run` needs on this machine. */
  readonly args: readonly string[];
  /** Runs the shell script that the variable SCRIPT holds. */
  readonly image: string;
}

const image = 'localhost/dray-test:1';
const commands = ['sh', 'cat', 'echo', 'env', 'head', 'ls', 'mkdir', 'nproc', 'sleep', 'tr', 'wget'];

/** A machine that is itself a container has no network of its own to give, and fewer rights. */
const attempts: readonly (readonly string[])[] = process.env['DRAY_TEST_CONTAINER_ARGS']
  ? [process.env['DRAY_TEST_CONTAINER_ARGS'].split(' ')]
  : [[], ['--network=host', '--runtime=runc', '--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024']];

/** undefined where this machine cannot run containers; the reason is on the console, the last line counts the skip. */
export async function testPodman(program: TestPodman['program'] = 'podman'): Promise<TestPodman | undefined> {
  const command = (...args: readonly string[]): Promise<string> => run(program, args);
  try {
    await command('version');
    if (!(await command('image', 'inspect', image).then(Boolean, () => false))) makeImage(program);
    const failures: string[] = [];
    for (const args of attempts) {
      const failure = await trial(program, args);
      if (failure === undefined) return { program, args, image };
      failures.push(failure);
    }
    throw new Error(failures.join('; '));
  } catch (error) {
    console.warn(`skipped: ${program} runs no containers here: ${(error as Error).message}`);
    return undefined;
  }
}

export function podman(...args: readonly string[]): Promise<string> {
  return run('podman', args);
}

async function run(program: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, args, { timeout: 60_000 })).stdout;
}

/** @returns why a container does not run, with the limits that Dray sets. */
async function trial(program: string, args: readonly string[]): Promise<string | undefined> {
  const limits = ['--memory=64m', '--cpus=0.5', '--pids-limit=64', '--env=SCRIPT=echo it runs'];
  try {
    const printed = await run(program, ['run', '--rm', ...limits, ...args, image]);
    return printed === 'it runs\n' ? undefined : `it printed ${printed}`;
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1);
  }
}

/** Of one program that is many; no registry is asked. */
function makeImage(program: string): void {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(exists);
  if (!busybox) throw new Error('the image for tests is made of busybox-static, which is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'dray-image-'));
  try {
    const root = join(folder, 'root');
    for (const name of ['bin', 'tmp', 'etc', 'proc', 'sys', 'dev'])
      mkdirSync(join(root, name), { recursive: true });
    chmodSync(join(root, 'tmp'), 0o1777);
    copyFileSync(busybox, join(root, 'bin/busybox'));
    for (const command of commands) symlinkSync('busybox', join(root, 'bin', command));
    const tar = join(folder, 'image.tar');
    execFileSync('tar', ['-C', root, '-cf', tar, '.']);
    const entrypoint = JSON.stringify(['/bin/sh', '-c', 'eval "$SCRIPT"']);
    const changes = [`ENTRYPOINT ${entrypoint}`, 'ENV PATH=/bin'].map((change) => `--change=${change}`);
    execFileSync(program, ['import', ...changes, tar, image], { stdio: 'pipe', timeout: 60_000 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}
