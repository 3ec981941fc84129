/**
 * Containers as Kubernetes Jobs, one for each job of Dray, in one namespace.
 *
 * What counts is read from the API server, each time from its store: nothing is remembered, so that any process can
 * go on with what another has started. A watch only says when to read again (kubernetes/changes.ts).
 *
 * It needs, in its namespace: `jobs` create, get, list, watch, patch, delete; `pods` get, list, watch, delete;
 * `pods/log` get.
 */
import type { Clock } from '../../clock.js';
import { PermanentError } from '../task.js';
import { ApiError, connect, isAnswer, type Api } from '../../kubernetes/api.js';
import { Changes } from './kubernetes/changes.js';
import { readLog } from './kubernetes/logs.js';
import { graceSeconds, jobManifest, label, releasedSeconds } from './kubernetes/manifest.js';
import { ending, isOver, isOwnedBy, podOf, type KubeJob, type KubePod } from './kubernetes/objects.js';
import { standingOf, type Standing } from './kubernetes/standing.js';
import { containerName } from './name.js';
import type {
  ContainerEnd,
  ContainerRuntime,
  ContainerSpec,
  ContainerState,
  KubernetesOptions,
} from './runtime.js';

/** An image that cannot be pulled for so long is not to be had. */
const imageMs = 120_000;
/** How long a container that is being removed may take to be gone. */
const goneMs = 90_000;
/** After its grace a pod that is still there has a node that does not answer. */
const silentNodeMs = 30_000;
/** Between two readings while something goes. */
const goingMs = 500;

/** @param options.imageMs how long an image may fail to be pulled. */
export async function openKubernetes(
  options: KubernetesOptions & { readonly imageMs?: number },
): Promise<ContainerRuntime> {
  const api = await connect({ namespace: options.namespace, clock: options.clock });
  return new KubernetesRuntime(api, options);
}

class KubernetesRuntime implements ContainerRuntime {
  readonly #api: Api;
  readonly #options: KubernetesOptions & { readonly imageMs?: number };
  readonly #clock: Clock;
  readonly #changes: Changes;

  constructor(api: Api, options: KubernetesOptions & { readonly imageMs?: number }) {
    this.#api = api;
    this.#options = options;
    this.#clock = options.clock;
    this.#changes = new Changes({ api, owner: options.owner, clock: options.clock });
  }

  async start(spec: ContainerSpec): Promise<{ readonly name: string; readonly adopted: boolean }> {
    const name = containerName(spec.name, spec.jobId);
    const manifest = jobManifest(spec, this.#options);
    const until = this.#clock.monotonic() + goneMs;
    while (this.#clock.monotonic() < until) {
      if (await this.#create(manifest)) return { name, adopted: false };
      const job = await this.#job(name);
      if (!job) continue;
      const { deletionTimestamp, labels } = job.metadata;
      if (labels?.[label.job] !== spec.jobId) {
        throw new PermanentError(`the Job ${name} is not one of Dray`, { code: 'container-failed' });
      }
      if (deletionTimestamp === undefined && labels[label.released] === undefined)
        return { name, adopted: true };
      await this.#clear(spec.jobId, job.metadata.uid);
    }
    throw new ApiError(`the Job ${name} of an earlier run is not gone after ${goneMs / 1_000} s`);
  }

  async wait(params: {
    jobId: string;
    signal: AbortSignal;
    onState: (state: ContainerState, message?: string) => void;
  }): Promise<ContainerEnd> {
    const { jobId, signal, onState } = params;
    const stop = AbortSignal.any([signal, this.#api.closed]);
    const doubt = new Doubt(this.#clock);
    const listener = this.#changes.listen(jobId);
    let told: { readonly state: ContainerState; readonly message?: string } | undefined;
    try {
      for (;;) {
        stop.throwIfAborted();
        const standing = await this.#standing(jobId, told);
        stop.throwIfAborted();
        if ('end' in standing) return standing.end;
        const { state, message, unless } = standing;
        const left = doubt.of(unless);
        if (unless && left === 0) return unless.end;
        if (told?.state !== state || told.message !== message) onState(state, message);
        told = standing;
        await listener.next({ signal: stop, ...(left !== undefined && { atMostMs: left }) });
      }
    } finally {
      listener.end();
    }
  }

  async *logs(params: { jobId: string; signal: AbortSignal }): AsyncGenerator<Uint8Array, void, undefined> {
    const { jobId } = params;
    const left = new AbortController();
    const signal = AbortSignal.any([params.signal, this.#api.closed, left.signal]);
    const ended = new AbortController();
    let begin = (): void => undefined;
    const running = new Promise<void>((resolve) => (begin = resolve));
    const end = this.wait({ jobId, signal, onState: (state) => state === 'running' && begin() }).finally(() =>
      ended.abort(),
    );
    try {
      const source = { api: this.#api, clock: this.#clock, pod: () => this.#pod(jobId) };
      yield* readLog({ ...source, begun: Promise.race([running, end]), ended: ended.signal, signal });
    } catch (error) {
      if (!params.signal.aborted) throw error;
    } finally {
      left.abort();
      await end.catch(() => undefined);
    }
  }

  remove({ jobId }: { jobId: string }): Promise<void> {
    return this.#clear(jobId);
  }

  async release({ jobId }: { jobId: string }): Promise<void> {
    const jobs = await this.#api.list<KubeJob>(this.#api.jobs(), `${label.job}=${jobId},!${label.released}`);
    const change = {
      metadata: { labels: { [label.released]: 'true' } },
      spec: { ttlSecondsAfterFinished: releasedSeconds },
    };
    for (const { metadata } of jobs) {
      await this.#api.patch(this.#api.jobs(metadata.name), change).catch(unlessAnswered(404));
    }
  }

  async list(): Promise<readonly { readonly jobId: string; readonly running: boolean }[]> {
    const owned = `${label.owner}=${this.#options.owner}`;
    const pods = await this.#api.list<KubePod>(this.#api.pods(), owned);
    const jobs = await this.#api.list<KubeJob>(this.#api.jobs(), `${owned},!${label.released}`);
    return jobs.flatMap((job) => {
      const jobId = job.metadata.labels?.[label.job];
      if (jobId === undefined || job.metadata.deletionTimestamp !== undefined) return [];
      const over = ending(job);
      // The pod is over a moment before its Job is.
      return [{ jobId, running: over === undefined && !isOver(podOf(job, pods)) }];
    });
  }

  async version(): Promise<string> {
    const { gitVersion } = await this.#api.get<{ gitVersion: string }>('/version');
    return `Kubernetes ${gitVersion} at ${this.#api.server}, namespace ${this.#api.namespace}`;
  }

  close(): Promise<void> {
    this.#api.close();
    return Promise.resolve();
  }

  /** @returns false where there is one of that name. */
  async #create(manifest: Record<string, unknown>): Promise<boolean> {
    try {
      await this.#api.create(this.#api.jobs(), manifest);
      return true;
    } catch (error) {
      if (isAnswer(error, 409)) return false;
      if (isAnswer(error, 400) || isAnswer(error, 422)) {
        const code = /\.image\b/.test(error.message) ? 'container-image' : 'container-failed';
        throw new PermanentError(error.message, { code, cause: error });
      }
      throw error;
    }
  }

  /** Removes a job's Jobs and pods, and waits until they are gone. @param uid of the only Job that is meant. */
  async #clear(jobId: string, uid?: string): Promise<void> {
    const begun = this.#clock.monotonic();
    const listener = this.#changes.listen(jobId);
    try {
      for (;;) {
        const { jobs, pods } = await this.#all(jobId);
        const meant = [
          ...jobs.filter(({ metadata }) => uid === undefined || metadata.uid === uid),
          ...pods.filter((pod) => uid === undefined || isOwnedBy(pod, uid)),
        ];
        if (meant.length === 0) return;
        const passed = this.#clock.monotonic() - begun;
        if (passed > goneMs) {
          throw new ApiError(`the container of job ${jobId} is not gone after ${goneMs / 1_000} s`);
        }
        const silent = passed > graceSeconds * 1_000 + silentNodeMs;
        for (const one of meant) await this.#delete(one, silent);
        await listener.next({ signal: this.#api.closed, atMostMs: goingMs });
      }
    } finally {
      listener.end();
    }
  }

  /** @param silent its node does not answer: what that still runs nobody can stop, but its pod need not stand for it. */
  async #delete(one: KubeJob | KubePod, silent: boolean): Promise<void> {
    const { name, uid, deletionTimestamp, ownerReferences } = one.metadata;
    // Of the two, only pods have an owner; the collector would remove them too, in its own time.
    const isPod = ownerReferences !== undefined;
    if (deletionTimestamp !== undefined && !(silent && isPod)) return;
    const deletion = this.#api.delete(isPod ? this.#api.pods(name) : this.#api.jobs(name), {
      propagationPolicy: 'Background',
      preconditions: { uid },
      ...(silent && isPod && { gracePeriodSeconds: 0 }),
    });
    // A conflict: there is another one of that name.
    await deletion.catch(unlessAnswered(404, 409));
  }

  /** Where it stands now; while nobody answers, where it stood. @param before undefined at the first time. */
  async #standing(jobId: string, before?: { readonly state: ContainerState }): Promise<Standing> {
    try {
      const { jobs, pods } = await this.#all(jobId);
      const now = this.#clock.now();
      return standingOf({ job: jobs[0], pods, now, imageMs: this.#options.imageMs ?? imageMs });
    } catch (error) {
      // A server that starts refuses for a moment what it has allowed before.
      if (!(error instanceof ApiError) || (error.forbidden && !before)) throw error;
      return { state: before?.state ?? 'waiting', message: error.message };
    }
  }

  async #job(name: string): Promise<KubeJob | undefined> {
    return this.#api.get<KubeJob>(this.#api.jobs(name)).catch(unlessAnswered(404));
  }

  async #pod(jobId: string): Promise<KubePod | undefined> {
    const { jobs, pods } = await this.#all(jobId);
    return jobs[0] && podOf(jobs[0], pods);
  }

  /** Those of a job of Dray: at most one Job, but for the moment in which one takes another's place. */
  async #all(jobId: string): Promise<{ jobs: readonly KubeJob[]; pods: readonly KubePod[] }> {
    const selector = `${label.job}=${jobId}`;
    const jobs = await this.#api.list<KubeJob>(this.#api.jobs(), selector);
    // After them: what a Job that has ended has no pod of, is gone.
    return { jobs, pods: await this.#api.list<KubePod>(this.#api.pods(), selector) };
  }
}

/** Since when a container has stood in a way that is its end if it lasts. */
class Doubt {
  readonly #clock: Clock;
  #reason: string | undefined;
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns the ms that it has left; undefined without a doubt. */
  of(unless: { readonly withinMs: number; readonly end: ContainerEnd } | undefined): number | undefined {
    const now = this.#clock.monotonic();
    if (unless?.end.reason !== this.#reason) this.#since = now;
    this.#reason = unless?.end.reason;
    return unless && Math.max(0, unless.withinMs - (now - this.#since));
  }
}

/** For a request that may find nothing, or another one than was meant. */
function unlessAnswered(...statuses: readonly number[]): (error: unknown) => undefined {
  return (error) => {
    if (statuses.some((status) => isAnswer(error, status))) return undefined;
    throw error;
  };
}
