/** What podman or docker is asked of containers and images, and how it is answered. */
import { rm } from 'node:fs/promises';
import { DrayError } from '../../../jobs/errors.js';
import type { ContainerEnd, ContainerSpec, PodmanOptions } from '../runtime.js';
import { writeArguments } from './arguments.js';
import { makeFolder, removeFolder, tellsOutOfMemory } from './folder.js';
import { labels, readInspections, type Inspection } from './inspection.js';
import { lastLine, type Program } from './program.js';

/** For how long, in ms, the program may not answer before those who wait are told. */
const patience = 300_000;
/** Between two questions: the first time, and at most. */
export const firstPause = 250;
export const longestPause = 5_000;
/** How long one question whether a container has ended may go unanswered: a `wait` that hangs is asked anew. */
const longestWait = 60_000;
/** What has waited for so long needs no rest before it asks again. */
const longEnough = 1_000;
const maxRemovals = 5;
/** Of a container that is told to stop, in s. */
const grace = 2;
/** In which a container that has been made begins; what takes longer was cut off. */
const beginTime = 30_000;

export class Containers {
  readonly #options: PodmanOptions;
  readonly #program: Program;
  readonly #waits = new Map<string, Promise<unknown>>();

  constructor(options: PodmanOptions, program: Program) {
    this.#options = options;
    this.#program = program;
  }

  /** @throws DrayError `unavailable` where the program does not answer, as all of these do. */
  async find(jobId: string): Promise<Inspection | undefined> {
    return (await this.#inspect(`${labels.job}=${jobId}`))[0];
  }

  /** Asks again for a while where the program does not answer, such as a daemon that is started anew. */
  async findPatiently(jobId: string, signal: AbortSignal): Promise<Inspection | undefined> {
    const { clock } = this.#options;
    const until = clock.monotonic() + patience;
    for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
      try {
        return await this.find(jobId);
      } catch (error) {
        if (!(error instanceof DrayError) || clock.monotonic() > until) throw error;
      }
      await clock.sleep(pause, signal);
    }
  }

  /**
   * Resolves with the container once it does not live any more; undefined where there is none, or none that counts.
   * @param pass resolves when it may be worth asking again.
   * @throws the signal's reason when aborted.
   */
  async ended(
    jobId: string,
    signal: AbortSignal,
    pass: (found: Inspection) => Promise<void>,
  ): Promise<Inspection | undefined> {
    const { clock } = this.#options;
    for (let rest = 0; ; rest = Math.min(Math.max(rest * 2, firstPause), longestPause)) {
      await clock.sleep(rest, signal);
      const found = await this.findPatiently(jobId, signal);
      if (!found || found.state === 'going') return undefined;
      if (found.state === 'ended') return found;
      const asked = clock.monotonic();
      await pass(found);
      if (clock.monotonic() - asked > longEnough) rest = 0;
    }
  }

  /**
   * Waits until the container ends, or for so long, or for less: a command that waits may be killed. What is true of
   * the container is asked of it afterwards.
   */
  async pass({ id }: Inspection, signal: AbortSignal, timeoutMs = longestWait): Promise<void> {
    const { clock } = this.#options;
    // One for all that wait, as each takes some megabytes; where one of them has enough, it goes on for the others.
    const wait =
      this.#waits.get(id) ??
      this.#program
        .long(['wait', id], { timeoutMs: longestWait })
        .catch(() => undefined)
        .finally(() => this.#waits.delete(id));
    this.#waits.set(id, wait);
    const over = new AbortController();
    const enough = clock.sleep(Math.min(timeoutMs, longestWait), AbortSignal.any([signal, over.signal]));
    try {
      await Promise.race([wait, enough]);
    } finally {
      over.abort();
    }
  }

  /** As above: that it fails may mean that the container has ended meanwhile. */
  async kill({ id }: Inspection): Promise<void> {
    await this.#program.short(['kill', id]).catch(() => undefined);
  }

  /** Nothing of it is left, where it does not live. */
  async discard({ id, folder }: Inspection): Promise<void> {
    const { code } = await this.#program.short(['rm', '--volumes', id]);
    if (code === 0) await removeFolder(folder);
  }

  /** Whether it lives or not: nothing of it is left. */
  async remove(jobId: string): Promise<void> {
    const { clock } = this.#options;
    let folder: string | undefined;
    let why = '';
    for (let removals = 0; removals < maxRemovals; removals += 1) {
      const found = await this.find(jobId);
      if (!found) return removeFolder(folder);
      folder = found.folder;
      if (found.state === 'running') await this.#program.short(['stop', '-t', String(grace), found.id]);
      const { code, stderr } = await this.#program.short(['rm', '--force', '--volumes', found.id]);
      why = stderr;
      if (code !== 0) await clock.sleep(firstPause);
    }
    throw this.unavailable(`the container does not go: ${lastLine(why)}`);
  }

  /** Those of this owner. */
  async owned(): Promise<readonly Inspection[]> {
    return this.#inspect(`${labels.owner}=${this.#options.owner}`);
  }

  /**
   * The job's container once it has begun: for a moment it is there before that. One that is going, or was cut off
   * in its making, is gone after this.
   */
  async begun(jobId: string): Promise<Inspection | undefined> {
    const { clock } = this.#options;
    const until = clock.monotonic() + beginTime;
    for (;;) {
      const found = await this.find(jobId);
      if (!found || found.state === 'running' || found.state === 'ended') return found;
      if (clock.monotonic() > until) break;
      await clock.sleep(firstPause);
    }
    await this.#clear(jobId);
    return undefined;
  }

  async hasImage(image: string): Promise<boolean> {
    const { code, stderr } = await this.#program.short(['image', 'inspect', '--format={{.Id}}', image]);
    if (code === 0) return true;
    if (/no such image|not known|not found/i.test(stderr)) return false;
    throw this.unavailable(stderr);
  }

  /**
   * Makes and begins the container in one command, which goes on where this process dies: so nobody has to guess
   * whether one that has not begun still will.
   * @returns how it ended, where the image is such that it could not begin.
   */
  async make(spec: ContainerSpec, image: string): Promise<ContainerEnd | 'adopted' | undefined> {
    const folder = await makeFolder();
    const { args, file } = await writeArguments({ spec, image, folder, options: this.#options });
    const { code, stderr } = await this.#program.short(args, folder).finally(() => rm(file, { force: true }));
    if (code === 0) return undefined;
    await removeFolder(folder);
    const why = lastLine(stderr);
    if (/already in use/.test(stderr)) {
      if (await this.begun(spec.jobId)) return 'adopted';
      // Such as one that was cut off in its making, of which podman knows no more than the name.
      throw new Error(`the name of the container is taken: ${why}`);
    }
    await this.#clear(spec.jobId);
    const unusable = code === 126 || code === 127 || /no command|exec format error/i.test(stderr);
    if (unusable) return { reason: 'image', message: why, finishedAt: this.#options.clock.now() };
    throw this.unavailable(stderr);
  }

  unavailable(stderr: string): DrayError {
    return new DrayError('unavailable', `${this.#options.program}: ${lastLine(stderr) || 'no answer'}`);
  }

  /** Removes what has not begun. */
  async #clear(jobId: string): Promise<void> {
    const found = await this.find(jobId);
    if (found?.state === 'created') await this.discard(found);
  }

  async #inspect(label: string): Promise<readonly Inspection[]> {
    const ids = await this.#program.short([
      'ps',
      '--all',
      '--quiet',
      '--no-trunc',
      `--filter=label=${label}`,
    ]);
    if (ids.code !== 0) throw this.unavailable(ids.stderr);
    const each = ids.stdout.split('\n').filter((id) => id !== '');
    if (each.length === 0) return [];
    // One that is gone meanwhile makes it fail, and is left out of what it prints.
    const { stdout, stderr } = await this.#program.short(['container', 'inspect', ...each]);
    if (!stdout.trimStart().startsWith('[')) throw this.unavailable(stderr);
    return Promise.all(
      readInspections(stdout).map(async (found) => {
        const { state, outOfMemory, folder } = found;
        if (state !== 'ended' || outOfMemory || folder === undefined) return found;
        return { ...found, outOfMemory: await tellsOutOfMemory(folder) };
      }),
    );
  }
}
