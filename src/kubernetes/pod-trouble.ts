/** Why a pod does not do its work, in words that its `kubectl describe` would have in several places. Pure. */
import type { Condition } from './condition.js';

export interface ContainerStatus {
  readonly name: string;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly message?: string };
}

export interface StandingPod {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** `wrong`: it will not get better by waiting alone. */
export interface PodTrouble {
  readonly state: 'warning' | 'wrong';
  readonly why: string;
}

const starting = new Set(['ContainerCreating', 'PodInitializing']);
/** A pod that starts may take so long. */
const patienceMs = 60_000;
/** The last words of a container. */
const mostWords = 400;

/** @returns undefined where all is well, or it has not been otherwise for long. */
export function troubleOf({ metadata, status = {} }: StandingPod, now: number): PodTrouble | undefined {
  if (metadata.deletionTimestamp !== undefined || status.phase === 'Succeeded') return undefined;
  const said = (...parts: readonly (string | undefined)[]): string =>
    parts.filter((part) => part !== undefined && part !== '').join(': ');
  if (status.phase === 'Failed') {
    return { state: 'wrong', why: said('failed', status.reason, status.message) };
  }
  const condition = (type: string) => status.conditions?.find((one) => one.type === type);
  const scheduled = condition('PodScheduled');
  if (scheduled?.status === 'False')
    return { state: 'wrong', why: said('waits for a node', scheduled.message) };
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  for (const { name, state, lastState } of containers) {
    const { waiting } = state ?? {};
    if (waiting?.reason === undefined || starting.has(waiting.reason)) continue;
    return { state: 'wrong', why: said(name, waiting.reason, ended(lastState) ?? waiting.message) };
  }
  const ready = condition('Ready');
  const sinceMs = now - Date.parse(ready?.lastTransitionTime ?? '');
  if (ready?.status === 'False' && sinceMs > patienceMs) {
    const init = status.initContainerStatuses?.find(({ state }) => state?.running !== undefined);
    const what = init ? `waits for its init container ${init.name}` : `is not ready`;
    return {
      state: 'wrong',
      why: said(
        `${what} since ${Math.round(sinceMs / 1_000)} s`,
        init ? ended(init.lastState) : ready.message,
      ),
    };
  }
  const restarted = containers.find(({ restartCount = 0 }) => restartCount > 0);
  if (!restarted) return undefined;
  const times = `${restarted.name} was started again ${restarted.restartCount ?? 0} times`;
  return { state: 'warning', why: said(times, ended(restarted.lastState)) };
}

function ended(state: ContainerState | undefined): string | undefined {
  if (!state?.terminated) return undefined;
  const { exitCode, reason, message } = state.terminated;
  const words = message?.trim().replaceAll(/\s*\n\s*/g, '; ');
  const how = reason === undefined || reason === 'Error' ? `it ended with ${exitCode}` : reason;
  return words ? `${how}: ${words.slice(-mostWords)}` : how;
}
