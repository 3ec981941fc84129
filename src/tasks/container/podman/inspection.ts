/** What `inspect` of podman and docker says of a container, and how a container that has ended is understood. */
import type { ContainerEnd } from '../runtime.js';

export const labels = {
  job: 'dray.dev/job',
  owner: 'dray.dev/owner',
  /** So that whoever adopts it keeps its deadline. */
  timeout: 'dray.dev/timeout-ms',
  folder: 'dray.dev/folder',
} as const;

export interface Inspection {
  readonly id: string;
  readonly name: string;
  readonly jobId: string;
  /** `going`: it is being removed, nothing of it counts any more. */
  readonly state: 'created' | 'running' | 'ended' | 'going';
  readonly timeoutMs: number;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** Why it could not be started, or ended; mostly empty. */
  readonly error: string;
  /** Where the program that minds the container works: folder.ts. */
  readonly folder?: string;
  /** The file that podman keeps its log in. */
  readonly log?: string;
  /** Milliseconds since the epoch, absent where that has not been. */
  readonly startedAt?: number;
  readonly finishedAt?: number;
}

/** The part of the answer that both have alike. */
interface Raw {
  readonly Id: string;
  readonly Name: string;
  readonly Config: { readonly Labels: Readonly<Record<string, string>> | null };
  readonly HostConfig?: { readonly LogConfig?: { readonly Type?: string; readonly Path?: string } };
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Error?: string;
    readonly StartedAt: string;
    readonly FinishedAt: string;
  };
}

const states: Readonly<Record<string, Inspection['state']>> = {
  configured: 'created',
  created: 'created',
  initialized: 'created',
  exited: 'ended',
  stopped: 'ended',
  dead: 'ended',
  removing: 'going',
};

/** @param json an array, also an empty one. */
export function readInspections(json: string): readonly Inspection[] {
  return (JSON.parse(json) as readonly Raw[]).map(({ Id, Name, Config, HostConfig, State }) => {
    const startedAt = time(State.StartedAt);
    const finishedAt = time(State.FinishedAt);
    const folder = Config.Labels?.[labels.folder];
    const log = HostConfig?.LogConfig;
    return {
      id: Id,
      name: Name.replace(/^\//, ''), // docker's begin with a slash
      jobId: Config.Labels?.[labels.job] ?? '',
      // All others are those of one that lives: running, paused, stopping, restarting.
      state: states[State.Status] ?? 'running',
      timeoutMs: Number(Config.Labels?.[labels.timeout]),
      exitCode: State.ExitCode,
      outOfMemory: State.OOMKilled,
      error: State.Error ?? '',
      ...(startedAt !== undefined && { startedAt }),
      ...(finishedAt !== undefined && { finishedAt }),
      ...(folder !== undefined && { folder }),
      ...(log?.Type === 'k8s-file' && log.Path && { log: log.Path }),
    };
  });
}

/** Both write the year 1 for never. */
function time(text: string): number | undefined {
  const at = Date.parse(text);
  return at > 0 ? at : undefined;
}

/** Whether somebody ended it, by SIGKILL or SIGTERM; -1 is what podman says of one that its own timeout has ended. */
export function wasKilled({ exitCode }: Inspection): boolean {
  return exitCode === 137 || exitCode === 143 || exitCode < 0;
}

/** How one that has ended is understood. @param now for one that never ran. */
export function endOf(inspection: Inspection, now: number): ContainerEnd {
  const { startedAt, finishedAt, exitCode, outOfMemory, timeoutMs, error } = inspection;
  if (startedAt === undefined)
    return { reason: 'image', message: error || 'it could not be started', finishedAt: finishedAt ?? now };
  // So says podman of those that ran when the machine went down.
  if (finishedAt === undefined)
    return {
      reason: 'lost',
      message: 'it ended with the machine that it ran on',
      startedAt,
      finishedAt: now,
    };
  // Podman notes the start of one that ends at once a moment after its end.
  const ran = { exitCode, startedAt: Math.min(startedAt, finishedAt), finishedAt };
  // A process of it that was killed for its memory need not be its end, and did not fail it where the rest went well.
  if (outOfMemory && exitCode !== 0)
    return { reason: 'out-of-memory', message: 'it took more memory than it may', ...ran };
  if (wasKilled(inspection) && finishedAt - startedAt >= timeoutMs)
    return { reason: 'deadline', message: `it ran for longer than ${timeoutMs / 1000} s`, ...ran };
  if (exitCode < 0) return { reason: 'lost', message: 'nobody saw how it ended', ...ran };
  return { reason: 'exited', message: error || `it ended with exit code ${exitCode}`, ...ran };
}
