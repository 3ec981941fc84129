/** The Job that runs a container. */
import { containerName } from '../name.js';
import { longestWaitMs, type ContainerSpec, type KubernetesOptions } from '../runtime.js';

export const label = {
  job: 'dray.dev/job',
  owner: 'dray.dev/owner',
  released: 'dray.dev/released',
} as const;

/** What ends by itself is kept so long for a worker that comes back. */
const keptSeconds = 24 * 3_600;
export const releasedSeconds = 30;
/** Between the signal to stop and the kill, where it is removed or has taken too long. */
export const graceSeconds = 10;
/**
 * The pod has the deadline of the container: it counts from its start on a node, and leaves pod and log to be read.
 * The Job's own counts from its creation and removes the pod, so it comes later, for pods that never start and nodes
 * that do not answer.
 */
const waitingSeconds = longestWaitMs / 1_000;

export function jobManifest(
  spec: ContainerSpec,
  options: Pick<KubernetesOptions, 'owner' | 'secret' | 'serviceAccount' | 'root'>,
): Record<string, unknown> {
  const name = containerName(spec.name, spec.jobId);
  const labels = {
    [label.job]: spec.jobId,
    [label.owner]: options.owner,
    'app.kubernetes.io/managed-by': 'dray',
  };
  const annotations = { 'dray.dev/name': spec.name.slice(0, 1_000) };
  const seconds = Math.max(1, Math.ceil(spec.timeoutMs / 1_000));
  const resources = {
    cpu: `${Math.max(1, Math.round(spec.cpus * 1_000))}m`,
    memory: String(Math.floor(spec.memory)),
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels, annotations },
    spec: {
      // Retries are Dray's.
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      activeDeadlineSeconds: seconds + waitingSeconds,
      ttlSecondsAfterFinished: keptSeconds,
      template: {
        metadata: { labels, annotations },
        spec: {
          restartPolicy: 'Never',
          activeDeadlineSeconds: seconds,
          terminationGracePeriodSeconds: graceSeconds,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          ...(options.serviceAccount !== undefined && { serviceAccountName: options.serviceAccount }),
          securityContext: {
            ...(!options.root && { runAsNonRoot: true }),
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name,
              image: spec.image,
              imagePullPolicy: 'IfNotPresent',
              env: Object.entries(spec.env).map(([key, value]) => ({ name: key, value: literal(value) })),
              ...(options.secret !== undefined && { envFrom: [{ secretRef: { name: options.secret } }] }),
              resources: { requests: resources, limits: resources },
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
              // Images write where they want, but the smallest of them have no folder for it.
              volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
            },
          ],
          volumes: [{ name: 'tmp', emptyDir: {} }],
        },
      },
    },
  };
}

/** Kubernetes replaces `$(NAME)` in values by other variables, and `$$` by `$`. */
function literal(value: string): string {
  return value.replaceAll('$', () => '$$');
}
