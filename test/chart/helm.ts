/** The chart as helm renders it without a cluster, where helm is on the PATH; elsewhere its tests are skipped, and counted. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { loadAllYaml } from '@kubernetes/client-node';
import { root } from '../support/sources.js';

export const chart = join(root, 'deploy/helm/dray');

export interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: unknown;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly resources: { readonly limits?: Readonly<Record<string, string | number>> };
  readonly securityContext: object;
}

export interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly nodeSelector?: object;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext: {
    readonly runAsNonRoot?: boolean;
    readonly runAsUser?: number;
    readonly seccompProfile?: object;
    readonly sysctls?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly object[];
}

/** An object as it is sent to the cluster, with what tests look into. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
  readonly rules?: unknown;
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly service?: object;
    readonly ports?: readonly { readonly name: string }[];
    readonly metrics?: unknown;
    readonly behavior?: Readonly<Record<'scaleUp' | 'scaleDown', { readonly tolerance?: string }>>;
    readonly publishNotReadyAddresses?: boolean;
    readonly endpoints?: readonly { readonly port: string; readonly authorization?: unknown }[];
    readonly secretTargetRef?: unknown;
  };
}

export interface RenderOptions {
  readonly release?: string;
  /** Files of values, below the chart's folder. */
  readonly files?: readonly string[];
  /** What the cluster has beside Kubernetes' own, such as `keda.sh/v1alpha1`. */
  readonly apiVersions?: readonly string[];
}

/** False where this machine has no helm; the reason is on the console. */
export const hasHelm = ((): boolean => {
  if (spawnSync('helm', ['version', '--short']).status === 0) return true;
  console.warn('skipped: helm is not on the PATH (https://helm.sh/docs/intro/install)');
  return false;
})();

/** @throws Error with what helm says. */
export function render(values: object = {}, options: RenderOptions = {}): readonly Manifest[] {
  return (loadAllYaml(renderText(values, options)) as (Manifest | null)[]).filter((one) => one !== null);
}

/** The same as helm writes it. */
export function renderText(values: object = {}, options: RenderOptions = {}): string {
  const { status, stdout, stderr } = template(values, options);
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** What helm says to values that it does not take. @throws Error where it takes them. */
export function refusal(values: object, options: RenderOptions = {}): string {
  const { status, stderr } = template(values, options);
  if (status === 0) throw new Error('helm takes these values');
  return stderr;
}

/** @throws Error where there is not exactly one. */
export function only(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter((one) => one.kind === kind && one.metadata.name === name);
  if (found.length !== 1) throw new Error(`there are ${found.length} of ${kind} ${name}`);
  return found[0]!;
}

/** @param name of a Deployment. */
export function podOf(manifests: readonly Manifest[], name: string): PodSpec {
  return only(manifests, 'Deployment', name).spec!.template!.spec;
}

/** What the container of a Deployment is told, beside what comes from Secrets. */
export function variables(manifests: readonly Manifest[], component: string): Record<string, string> {
  const [container] = podOf(manifests, `dray-${component}`).containers;
  const own = container!.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
  return { ...only(manifests, 'ConfigMap', 'dray').data, ...(Object.fromEntries(own) as object) };
}

function template(values: object, { release = 'dray', files = [], apiVersions = [] }: RenderOptions) {
  return spawnSync(
    'helm',
    [
      ...['template', release, chart, '--namespace', 'space', '--kube-version', '1.34.0'],
      ...files.flatMap((file) => ['--values', join(chart, file)]),
      ...['--values', '-'],
      ...apiVersions.flatMap((one) => ['--api-versions', one]),
    ],
    { input: JSON.stringify(values), encoding: 'utf8', maxBuffer: 64 * 1_024 * 1_024 },
  );
}
