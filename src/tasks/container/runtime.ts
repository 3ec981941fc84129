/**
 * The seam to what runs containers. Each job has at most one container at a time, whichever process asks for it: it
 * is found by the job's id, so that an attempt goes on with what the attempt before it has started.
 *
 * Every method may reject with DrayError `unavailable` where the runtime does not answer: nothing is known then.
 */
import type { Clock } from '../../clock.js';
import type { Log } from '../../log.js';

/**
 * How long, in ms, a container may wait for a node and for its image beside its own time: a full cluster makes it
 * late, not failed. Whoever waits for one that has not begun by then gives up.
 */
export const longestWaitMs = 3_600_000;

/** What every runtime is opened with. */
export interface RuntimeOptions {
  /**
   * 16 hex digits of chance that deployments differ in: those that share a machine or a namespace must not remove each other's
   * containers, whose jobs they do not know. `list` gives only containers that were started under this name.
   */
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What `openKubernetes` of kubernetes.ts takes. */
export interface KubernetesOptions extends RuntimeOptions {
  /** Undefined: that of the context or, inside of a cluster, of the pod. */
  readonly namespace: string | undefined;
  /** The name of a Secret whose keys containers get as variables. */
  readonly secret: string | undefined;
  readonly serviceAccount: string | undefined;
  /** Whether images that run as root may start. */
  readonly root: boolean;
}

/** What `openPodman` of podman.ts takes. */
export interface PodmanOptions extends RuntimeOptions {
  readonly program: 'podman' | 'docker';
  /** More arguments of `run`, before the image. */
  readonly args: readonly string[];
  /** The path of a file of variables that containers get. */
  readonly envFile: string | undefined;
}

/** What is asked for; the same at every attempt of a job. */
export interface ContainerSpec {
  readonly jobId: string;
  /** What the client calls it, any text: the container's name is made from it. */
  readonly name: string;
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  /** From its start, in ms; what runs longer is killed. */
  readonly timeoutMs: number;
  /** Of one core: 1.5 is one and a half. */
  readonly cpus: number;
  /** Bytes that it may use; what takes more is killed. */
  readonly memory: number;
}

/** Where a container stands on its way. */
export type ContainerState = 'waiting' | 'pulling' | 'running';

export interface ContainerEnd {
  /**
   * - `exited`: by itself, with whatever exit code;
   * - `out-of-memory`, `deadline`: it was killed for that;
   * - `image`: its image could not be had, or not be started;
   * - `lost`: evicted, its node died, or somebody removed it. It may run again.
   */
  readonly reason: 'exited' | 'out-of-memory' | 'deadline' | 'image' | 'lost';
  /** Where it is known. */
  readonly exitCode?: number;
  /** What the runtime says of it, for people. */
  readonly message: string;
  /** Milliseconds since the epoch; absent where it never ran. */
  readonly startedAt?: number;
  readonly finishedAt: number;
}

export interface ContainerRuntime {
  /**
   * Starts the job's container, or finds the one that an attempt before has started: what then still runs, or has
   * finished, is that one. One that was released does not count, nor one that is being removed: a new one takes its
   * place once it is gone, so that a job that was re-driven runs again.
   * @throws PermanentError where it can never be started as it is asked for, such as a name that no image can have.
   */
  start(spec: ContainerSpec): Promise<{ readonly name: string; readonly adopted: boolean }>;

  /**
   * Resolves once the container has ended, `lost` where there is none. Survives a runtime that is away for a while.
   * @param params.onState told the first state and each change.
   * @throws the signal's reason when aborted; the container goes on then.
   */
  wait(params: {
    jobId: string;
    signal: AbortSignal;
    onState: (state: ContainerState, message?: string) => void;
  }): Promise<ContainerEnd>;

  /**
   * What the container prints, both streams in the order in which they came, from the beginning; ends with the
   * container, or quietly when aborted.
   */
  logs(params: { jobId: string; signal: AbortSignal }): AsyncIterable<Uint8Array>;

  /** Stops the container where it runs, and removes it; resolves when it is gone. Harmless where there is none. */
  remove(params: { jobId: string }): Promise<void>;

  /** Nobody needs what is left of an ended container any more: it may go after half a minute. Harmless where there is none. */
  release(params: { jobId: string }): Promise<void>;

  /** All of this owner that there are and were not released, of whichever process. */
  list(): Promise<readonly { readonly jobId: string; readonly running: boolean }[]>;

  /** For diagnosis: what it is, and its version. */
  version(): Promise<string>;

  /** Ends what this process has open; containers go on. */
  close(): Promise<void>;
}
