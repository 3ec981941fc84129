/** What is read of Kubernetes' objects, as its API has it: times are RFC 3339, with whole seconds. */
import type { Condition } from '../../../kubernetes/condition.js';

export interface Metadata {
  readonly name: string;
  readonly uid: string;
  readonly creationTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** When it goes at the latest: the time of the request, and the grace after it. */
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly ownerReferences?: readonly { readonly uid: string }[];
}

export interface KubeJob {
  readonly metadata: Metadata;
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface ContainerStatus {
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: { readonly startedAt?: string };
    readonly terminated?: {
      readonly exitCode: number;
      readonly reason?: string;
      readonly message?: string;
      readonly startedAt?: string;
      readonly finishedAt?: string;
    };
  };
}

export interface KubePod {
  readonly metadata: Metadata;
  readonly spec?: { readonly nodeName?: string; readonly activeDeadlineSeconds?: number };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** Where it holds. */
export function condition(
  of: { readonly status?: { readonly conditions?: readonly Condition[] } } | undefined,
  type: string,
): Condition | undefined {
  return of?.status?.conditions?.find((one) => one.type === type && one.status === 'True');
}

/** That which says that a Job is over, well or not. */
export function ending(job: KubeJob | undefined): Condition | undefined {
  return condition(job, 'Complete') ?? condition(job, 'Failed');
}

export function isOwnedBy(pod: KubePod, uid: string): boolean {
  return pod.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
}

/** The pod that a Job has now: of several, as after an eviction, the latest. */
export function podOf(job: KubeJob, pods: readonly KubePod[]): KubePod | undefined {
  return pods
    .filter((pod) => isOwnedBy(pod, job.metadata.uid))
    .sort((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))
    .at(-1);
}

/** Its container has ended, or will never begin. */
export function isOver(pod: KubePod | undefined): boolean {
  return pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed';
}
