/** Waits until all that a release consists of is there and ready, or says what is not and why. */
import { systemClock } from '../../src/clock.js';
import type { TestNamespace } from './cluster.js';
import { run } from './programs.js';

type Api = TestNamespace['api'];

interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly spec: { readonly replicas?: number; readonly completions?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly updatedReplicas?: number;
    readonly succeeded?: number;
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state: Readonly<Record<string, { readonly reason?: string; readonly message?: string }>>;
}

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName?: string; readonly containers: readonly { readonly name: string }[] };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

export const isReady = ({ status }: Pod): boolean =>
  status.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True') ?? false;

/**
 * Deployments and StatefulSets have all of their replicas, in their newest form, and no others; Jobs have ended well.
 * @throws an Error with the conditions, states and last lines of each pod that is not ready.
 */
export async function untilReady(api: Api, timeoutMs: number): Promise<void> {
  const end = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const unready = await unreadyWorkloads(api);
    if (unready.length === 0) return;
    if (systemClock.monotonic() > end) {
      const said = await troubles(api);
      throw new Error(`after ${timeoutMs / 1_000} s not ready: ${unready.join(', ')}\n${said}`);
    }
    await systemClock.sleep(250);
  }
}

async function unreadyWorkloads(api: Api): Promise<string[]> {
  const of = (group: string, kind: string) =>
    api.list<Workload>(`/apis/${group}/v1/namespaces/${api.namespace}/${kind}`, '');
  const [deployments, sets, jobs] = await Promise.all([
    of('apps', 'deployments'),
    of('apps', 'statefulsets'),
    of('batch', 'jobs'),
  ]);
  const rolling = [...deployments, ...sets].filter(({ metadata, spec, status = {} }) => {
    const wanted = spec.replicas ?? 1;
    const { observedGeneration, replicas = 0, readyReplicas = 0, updatedReplicas = 0 } = status;
    return !(
      observedGeneration === metadata.generation &&
      [replicas, readyReplicas, updatedReplicas].every((count) => count === wanted)
    );
  });
  const running = jobs.filter(({ spec, status }) => (status?.succeeded ?? 0) < (spec.completions ?? 1));
  return [...rolling, ...running].map(({ metadata }) => metadata.name);
}

/** What there is to be said of the pods that are not ready, and of the namespace. */
export async function troubles(api: Api): Promise<string> {
  const pods = await api.list<Pod>(api.pods(), '');
  const unwell = pods.filter((pod) => !isReady(pod) && pod.status.phase !== 'Succeeded');
  const events = await api.list<{ type: string; message: string; involvedObject: { name: string } }>(
    `/api/v1/namespaces/${api.namespace}/events`,
    '',
  );
  const warnings = events
    .filter(({ type }) => type === 'Warning')
    .map(({ involvedObject, message }) => `event of ${involvedObject.name}: ${message}`);
  const stories = await Promise.all(unwell.map((pod) => story(api, pod)));
  return [...stories, ...new Set(warnings.slice(-20))].join('\n');
}

async function story(api: Api, { metadata: { name }, status }: Pod): Promise<string> {
  const conditions = (status.conditions ?? []).filter(({ status: state }) => state !== 'True');
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const lines = await Promise.all(
    containers.map(async (container) => {
      const state = JSON.stringify(container.state);
      const log = async (...more: readonly string[]): Promise<string> => {
        const args = ['logs', '--namespace', api.namespace, name, '--container', container.name];
        return run('kubectl', [...args, '--tail=15', ...more]).catch(() => '');
      };
      const before = container.restartCount > 0 ? await log('--previous') : '';
      return `  ${container.name}: ${state}, ${container.restartCount} restarts\n${before}${await log()}`;
    }),
  );
  return [
    `pod ${name} (${status.phase})`,
    ...conditions.map(({ type, message = '' }) => `  not ${type}: ${message}`),
    ...lines,
  ].join('\n');
}
