/** What a Job and its pod say of the container. Pure: the time comes in. */
import type { ContainerEnd, ContainerState } from '../runtime.js';
import { condition, ending, isOver, podOf, type KubeJob, type KubePod } from './objects.js';

export type Standing =
  | { readonly end: ContainerEnd }
  | {
      readonly state: ContainerState;
      readonly message?: string;
      /** Where it stands like this for so long, that is its end. */
      readonly unless?: { readonly withinMs: number; readonly end: ContainerEnd };
    };

/** The image, or the configuration that it needs, will not become better by waiting. */
const hopeless = new Set(['InvalidImageName', 'CreateContainerConfigError', 'ErrImageNeverPull']);
/** Tried again by the node: the registry may be away, or the image on its way there. */
const troubled = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
  'CreateContainerError',
  'RunContainerError',
]);
const neverStarted = new Set(['StartError', 'ContainerCannotRun']);
/** After its grace a pod that is to go has gone, where its node still answers. */
const silentNodeMs = 30_000;

/** A Job that has no pod for so long was refused one, such as by a quota. Only its events say so. */
const podlessMs = 10_000;

export function standingOf(params: {
  readonly job: KubeJob | undefined;
  /** Those of the job's id, also of earlier Jobs. */
  readonly pods: readonly KubePod[];
  readonly now: number;
  /** How long an image may fail to be pulled. */
  readonly imageMs: number;
}): Standing {
  const { job, now, imageMs } = params;
  if (!job) return lost('there is no Job of it', now);
  if (job.metadata.deletionTimestamp !== undefined) return lost('its Job is being removed', now);
  const pod = podOf(job, params.pods);
  const failure = condition(job, 'Failed') ?? condition(job, 'FailureTarget');
  if (!pod) return withoutPod(job, now);
  if (isOver(pod)) return { end: endOf(pod, failure?.reason, now) };
  const status = pod.status?.containerStatuses?.[0]?.state;
  const ran = status?.running !== undefined || status?.terminated !== undefined;
  if (pod.metadata.deletionTimestamp !== undefined) {
    const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1_000;
    return {
      state: ran ? 'running' : 'waiting',
      message: 'its pod is being removed',
      unless: { withinMs: graceMs + silentNodeMs, ...lost('its node does not answer', now) },
    };
  }
  if (ran) return { state: 'running' };
  const { reason = '', message = '' } = status?.waiting ?? {};
  const said = message === '' ? reason : `${reason}: ${message}`;
  if (hopeless.has(reason)) return { end: { reason: 'image', message: said, finishedAt: now } };
  if (troubled.has(reason)) {
    const end: ContainerEnd = { reason: 'image', message: said, finishedAt: now };
    return { state: 'pulling', message: said, unless: { withinMs: imageMs, end } };
  }
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (pod.spec?.nodeName === undefined) {
    return { state: 'waiting', ...(scheduled?.message !== undefined && { message: scheduled.message }) };
  }
  return { state: 'pulling' };
}

function lost(message: string, now: number): { readonly end: ContainerEnd } {
  return { end: { reason: 'lost', message, finishedAt: now } };
}

function withoutPod(job: KubeJob, now: number): Standing {
  // Whether its container ran to its end, or was stopped and took leave with 0, is not known without its pod.
  const over = ending(job);
  if (!over) {
    const { name, creationTimestamp } = job.metadata;
    const late = now - (time(creationTimestamp) ?? now) > podlessMs;
    return {
      state: 'waiting',
      message: `it has no pod yet${late ? `; kubectl describe job ${name} says why` : ''}`,
    };
  }
  return lost(
    `its pod is gone: ${over.message ?? over.reason ?? 'no more is known'}`,
    time(over.lastTransitionTime) ?? now,
  );
}

/** Of a pod that is over. @param failure why the Job has failed, where it has. */
function endOf(pod: KubePod, failure: string | undefined, now: number): ContainerEnd {
  const state = pod.status?.containerStatuses?.[0]?.state;
  const ended = state?.terminated;
  const startedAt = time(ended?.startedAt);
  const finishedAt = time(ended?.finishedAt) ?? now;
  const message = [pod.status?.reason ?? ended?.reason, pod.status?.message ?? ended?.message]
    .filter((part) => part !== undefined && part !== '')
    .join(': ');
  const base = { message, finishedAt, ...(startedAt !== undefined && { startedAt }) };
  const coded = { ...base, ...(ended && { exitCode: ended.exitCode }) };

  if (pod.status?.reason === 'DeadlineExceeded') {
    if (startedAt !== undefined) return { reason: 'deadline', ...coded };
    const waiting = state?.waiting;
    if (waiting?.reason !== undefined && troubled.has(waiting.reason)) {
      return { reason: 'image', ...base, message: `${waiting.reason}: ${waiting.message ?? ''}` };
    }
    return { reason: 'lost', ...base, message: `it did not start in its time; ${message}` };
  }
  if (isStopped(pod, finishedAt)) {
    // The Job's own deadline is the later one: it may have cut the run of a pod that had waited for a node.
    const allowedMs = (pod.spec?.activeDeadlineSeconds ?? 0) * 1_000;
    const ranLong = startedAt !== undefined && finishedAt - startedAt >= allowedMs;
    if (failure === 'DeadlineExceeded' && ranLong) return { reason: 'deadline', ...coded };
    return { reason: 'lost', ...coded };
  }
  if (!ended) return { reason: 'lost', ...base };
  if (ended.exitCode !== 0) {
    if (ended.reason === 'OOMKilled') return { reason: 'out-of-memory', ...coded };
    if (ended.reason === 'ContainerStatusUnknown') return { reason: 'lost', ...base };
    if (neverStarted.has(ended.reason ?? '')) return { reason: 'image', message, finishedAt };
  }
  return { reason: 'exited', ...coded };
}

/** Others have ended it: its node (evicted, refused, shut down), or who removed it before it had finished. */
function isStopped(pod: KubePod, finishedAt: number): boolean {
  if (pod.status?.reason !== undefined || condition(pod, 'DisruptionTarget')) return true;
  const gone = time(pod.metadata.deletionTimestamp);
  if (gone === undefined) return false;
  return finishedAt >= gone - (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1_000;
}

/** Undefined too for Go's zero time, which stands for "never". */
function time(text: string | undefined): number | undefined {
  const ms = text === undefined ? NaN : Date.parse(text);
  return ms > 0 ? ms : undefined;
}
