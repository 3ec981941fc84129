/** The chart as helm renders it without a cluster, where helm is on the PATH; elsewhere its tests are skipped, and counted. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { loadAllYaml } from '@kubernetes/client-node';
import { root } from '../support/sources.js';

export const chart = join(root, 'deploy/helm/dray');

/** An object as it is sent to the cluster. What is below, tests know. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each kind has a form of its own
  readonly [field: string]: any;
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
  const { status, stdout, stderr } = template(values, options);
  if (status !== 0) throw new Error(stderr);
  return (loadAllYaml(stdout) as (Manifest | null)[]).filter((one) => one !== null);
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
