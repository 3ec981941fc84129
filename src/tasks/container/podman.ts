/**
 * Containers on one machine, by the command of podman or docker. What is true of a container is asked of that program
 * each time, so that it makes no difference which process has started it; only an image that is being pulled is
 * known to this process alone, and pulled again where it dies.
 */
import { PermanentError } from '../task.js';
import { imageText, parseImage } from './image.js';
import { containerName } from './name.js';
import { Containers, firstPause } from './podman/containers.js';
import { endOf, wasKilled, type Inspection } from './podman/inspection.js';
import { Launches, type Launch } from './podman/launches.js';
import { readLog } from './podman/log.js';
import { Program } from './podman/program.js';
import { pull } from './podman/pull.js';
import type {
  ContainerEnd,
  ContainerRuntime,
  ContainerSpec,
  ContainerState,
  PodmanOptions,
} from './runtime.js';

/** For how long, in ms, a registry may be out of reach. */
const pullPatience = 120_000;
/** In which somebody who has killed a container also removes it. */
const removalTime = 3_000;
/** Why a launch is stopped whose container nobody wants any more. */
const removed = new Error('the container was removed');

/** @param limits.pullPatienceMs for how long a registry may be out of reach. */
export function openPodman(
  options: PodmanOptions,
  limits: { pullPatienceMs: number } = { pullPatienceMs: pullPatience },
): ContainerRuntime {
  return new Podman(options, limits.pullPatienceMs);
}

class Podman implements ContainerRuntime {
  readonly #options: PodmanOptions;
  readonly #program: Program;
  readonly #containers: Containers;
  readonly #pullPatience: number;
  readonly #launches = new Launches();
  readonly #removals = new Map<string, Promise<void>>();

  constructor(options: PodmanOptions, pullPatienceMs: number) {
    this.#options = options;
    this.#program = new Program({ path: options.program, clock: options.clock });
    this.#containers = new Containers(options, this.#program);
    this.#pullPatience = pullPatienceMs;
  }

  async start(spec: ContainerSpec): Promise<{ readonly name: string; readonly adopted: boolean }> {
    const parsed = parseImage(spec.image);
    if (!parsed) {
      const given = JSON.stringify(spec.image.slice(0, 100));
      throw new PermanentError(`${given} is no name that an image can have`, { code: 'container-image' });
    }
    const { jobId } = spec;
    const image = imageText(parsed);
    const name = containerName(spec.name, jobId);
    await this.#removals.get(jobId);
    const found = await this.#containers.begun(jobId);
    if (found) return this.#adopted(jobId, found.name);
    if (await this.#containers.hasImage(image)) {
      const made = await this.#containers.make(spec, image);
      if (made === 'adopted') return this.#adopted(jobId, name);
      this.#launches.add(jobId, () => Promise.resolve(made));
    } else {
      if (this.#launches.isPending(jobId)) return { name, adopted: true };
      this.#launches.add(jobId, (signal) => this.#pullAndMake(spec, image, signal));
    }
    return { name, adopted: false };
  }

  async wait(params: {
    jobId: string;
    signal: AbortSignal;
    onState: (state: ContainerState, message?: string) => void;
  }): Promise<ContainerEnd> {
    const { jobId, signal } = params;
    const { clock } = this.#options;
    let state: ContainerState | undefined;
    const tell = (next: ContainerState): void => {
      if (state !== next) params.onState((state = next));
    };
    if (this.#launches.isPending(jobId)) tell('pulling');
    const never = await unlessAborted(this.#launches.get(jobId), signal);
    if (never) return never;
    const ended = await this.#containers.ended(jobId, signal, async (found) => {
      tell(found.state === 'running' ? 'running' : 'waiting');
      if (found.state !== 'running') return;
      const left = (found.startedAt ?? clock.now()) + found.timeoutMs - clock.now();
      if (left > 0) await this.#containers.pass(found, signal, left);
      else await this.#containers.kill(found);
    });
    return ended ? this.#settled(ended, signal) : lost(clock.now());
  }

  async *logs({ jobId, signal }: { jobId: string; signal: AbortSignal }): AsyncGenerator<Uint8Array, void> {
    try {
      await unlessAborted(
        this.#launches.get(jobId)?.catch(() => undefined),
        signal,
      );
      const { clock } = this.#options;
      yield* readLog({ jobId, containers: this.#containers, program: this.#program, clock, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  remove({ jobId }: { jobId: string }): Promise<void> {
    const ongoing = this.#removals.get(jobId);
    if (ongoing) return ongoing;
    const removal = this.#remove(jobId).finally(() => this.#removals.delete(jobId));
    this.#removals.set(jobId, removal);
    return removal;
  }

  /** At once: there is nobody any more whom half a minute would serve. */
  async release({ jobId }: { jobId: string }): Promise<void> {
    const found = await this.#containers.find(jobId);
    if (found?.state === 'ended') await this.#containers.discard(found);
  }

  async list(): Promise<readonly { readonly jobId: string; readonly running: boolean }[]> {
    const found = (await this.#containers.owned()).filter(({ state }) => state !== 'going');
    const pulling = this.#launches.pending.filter((jobId) => !found.some((one) => one.jobId === jobId));
    return [
      ...found.map(({ jobId, state }) => ({ jobId, running: state !== 'ended' })),
      ...pulling.map((jobId) => ({ jobId, running: true })),
    ];
  }

  async version(): Promise<string> {
    const { code, stdout, stderr } = await this.#program.short(['version', '--format={{.Client.Version}}']);
    if (code !== 0) throw this.#containers.unavailable(stderr);
    return `${this.#options.program} ${stdout.trim()}`;
  }

  async close(): Promise<void> {
    await this.#launches.close();
    await Promise.allSettled(this.#removals.values());
    await this.#program.close();
  }

  async #pullAndMake(spec: ContainerSpec, image: string, signal: AbortSignal): Launch {
    const { clock } = this.#options;
    const params = { program: this.#program, image, patienceMs: this.#pullPatience, clock, signal };
    try {
      const why = await pull(params);
      if (why !== undefined) return { reason: 'image', message: why, finishedAt: clock.now() };
      signal.throwIfAborted();
    } catch (error) {
      if (error === removed) return lost(clock.now());
      throw error;
    }
    const made = await this.#containers.make(spec, image);
    return made === 'adopted' ? undefined : made;
  }

  #adopted(jobId: string, name: string): { readonly name: string; readonly adopted: true } {
    this.#launches.forget(jobId);
    return { name, adopted: true };
  }

  /** A container that was killed may be half removed: which of both it is shows in a moment. */
  async #settled(found: Inspection, signal: AbortSignal): Promise<ContainerEnd> {
    const { clock } = this.#options;
    const end = endOf(found, clock.now());
    if (end.reason !== 'exited' || !wasKilled(found)) return end;
    for (const until = clock.monotonic() + removalTime; clock.monotonic() < until;) {
      await unlessAborted(this.#removals.get(found.jobId), signal);
      const now = await this.#containers.findPatiently(found.jobId, signal);
      if (now?.id !== found.id || now.state === 'going') return lost(clock.now());
      await clock.sleep(firstPause, signal);
    }
    return end;
  }

  async #remove(jobId: string): Promise<void> {
    await this.#launches.drop(jobId, removed);
    await this.#containers.remove(jobId);
  }
}

function lost(now: number): ContainerEnd {
  return { reason: 'lost', message: 'the container is gone: somebody removed it', finishedAt: now };
}

/** @throws the signal's reason when it aborts before the promise has settled. */
async function unlessAborted<T>(
  promise: Promise<T> | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  signal.throwIfAborted();
  if (!promise) return undefined;
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
