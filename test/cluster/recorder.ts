/** What a pool looks like over time, from outside: the figure, its HPA, its pods, and how busy they are. */
import type { Worker } from '../../src/contract/worker.js';
import type { WorkerScale } from '../../src/contract/scale.js';
import { systemClock } from '../../src/clock.js';
import { isReady, type Pod } from './readiness.js';
import type { Release } from './release.js';

const intervalMs = 500;

export interface SeenPod {
  readonly name: string;
  readonly ready: boolean;
  /** Told to end. */
  readonly leaving: boolean;
  /** Slots that are at work, as its worker last said; undefined where it said nothing. */
  readonly busy: number | undefined;
  readonly deletionCost: number | undefined;
}

export interface Sample {
  /** ms since the epoch. */
  readonly at: number;
  /** The scaling rule's figure; undefined where it is unknown. */
  readonly desired: number | undefined;
  /** What the HPA wants, and what it sees. */
  readonly wanted: number;
  readonly current: number;
  readonly pods: readonly SeenPod[];
  /** Pods that take jobs. */
  readonly ready: number;
  /** Jobs that wait; undefined where the figure is. */
  readonly waiting: number | undefined;
  /** Jobs that run. */
  readonly running: number;
  /** Why the HPA does not read its metric, where it does not. */
  readonly trouble: string | undefined;
}

interface Autoscaler {
  readonly status?: {
    readonly desiredReplicas?: number;
    readonly currentReplicas?: number;
    readonly conditions?: readonly { readonly type: string; status: string; readonly reason: string }[];
  };
}

export class Recorder {
  readonly #release: Release;
  readonly #pool: string;
  readonly #stopped = new AbortController();
  readonly #loop: Promise<void>;
  /** What could not be read, at the last. */
  #failure: unknown;
  readonly samples: Sample[] = [];

  constructor(release: Release, pool: string) {
    this.#release = release;
    this.#pool = pool;
    this.#loop = this.#follow();
  }

  /** The first sample from now on that is as it should be. */
  async until(right: (sample: Sample) => boolean): Promise<Sample> {
    for (let next = this.samples.length; ;) {
      const found = this.samples.slice(next).find(right);
      if (found) return found;
      next = this.samples.length;
      await systemClock.sleep(100, this.#stopped.signal).catch(() => {
        throw new Error(`the recording has ended; the last was ${JSON.stringify(this.samples.at(-1))}`);
      });
    }
  }

  most(of: (sample: Sample) => number | undefined): number {
    return Math.max(...this.samples.map((sample) => of(sample) ?? 0));
  }

  /** Each pod that was told to end: when that was first seen, and how busy it was when it was last seen before. */
  leavers(): ReadonlyMap<string, { readonly at: number; readonly busy: number | undefined }> {
    const leavers = new Map<string, { at: number; busy: number | undefined }>();
    const before = new Map<string, number | undefined>();
    for (const { at, pods } of this.samples) {
      for (const { name, leaving, busy } of pods) {
        if (!leaving) before.set(name, busy);
        else if (!leavers.has(name)) leavers.set(name, { at, busy: before.get(name) });
      }
    }
    return leavers;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
    if (this.samples.length === 0) throw new Error('nothing was recorded', { cause: this.#failure });
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const start = systemClock.monotonic();
      try {
        this.samples.push(await this.#look());
      } catch (error) {
        this.#failure = error; // the API may be away for a moment; what was not seen is no sample
      }
      const passed = systemClock.monotonic() - start;
      await systemClock.sleep(Math.max(0, intervalMs - passed), signal).catch(() => undefined);
    }
  }

  async #look(): Promise<Sample> {
    const { space, fullname } = this.#release;
    const { api, name } = space;
    const hpa = `/apis/autoscaling/v2/namespaces/${name}/horizontalpodautoscalers/${fullname}-worker-${this.#pool}`;
    const at = systemClock.now();
    const [{ status = {} }, pods, plan, workers] = await Promise.all([
      api.get<Autoscaler>(hpa),
      api.list<Pod>(api.pods(), `dray.dev/pool=${this.#pool}`),
      this.#scale(),
      this.#workers(),
    ]);
    const seen = pods.map((pod) => seenPod(pod, workers));
    const inactive = status.conditions?.find(
      ({ type, status: state }) => type === 'ScalingActive' && state !== 'True',
    );
    return {
      at,
      desired: plan?.desired_worker_scale,
      wanted: status.desiredReplicas ?? 0,
      current: status.currentReplicas ?? 0,
      pods: seen,
      ready: seen.filter(({ ready, leaving }) => ready && !leaving).length,
      waiting: plan?.backlog_jobs,
      running: seen.reduce((sum, { busy = 0 }) => sum + busy, 0),
      trouble: inactive?.reason,
    };
  }

  async #scale(): Promise<WorkerScale | undefined> {
    const response = await this.#release.fetch(`/desired-worker-scale?pool=${this.#pool}`, soon());
    return response.ok ? ((await response.json()) as WorkerScale) : undefined;
  }

  async #workers(): Promise<readonly Worker[]> {
    const response = await this.#release.fetch('/v1/workers', soon());
    return response.ok ? ((await response.json()) as { workers: Worker[] }).workers : [];
  }
}

const soon = (): RequestInit => ({ signal: AbortSignal.timeout(2_000) });

function seenPod(pod: Pod, workers: readonly Worker[]): SeenPod {
  const { name, deletionTimestamp, annotations } = pod.metadata;
  const its = workers.filter(({ host }) => host === name);
  const cost = annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return {
    name,
    ready: isReady(pod),
    leaving: deletionTimestamp !== undefined,
    busy: its.length === 0 ? undefined : its.reduce((sum, { busy }) => sum + busy, 0),
    deletionCost: cost === undefined ? undefined : Number(cost),
  };
}
