/** The options by which a controller takes part in Kubernetes' scaling (docs/kubernetes-rights.md has what it needs). */
import type { Option } from './option.js';

/** What the options of this file set in Config. */
export interface KubernetesConfig {
  readonly kubernetesMetricsPort: number;
  readonly kubernetesMetricsSecret: string | undefined;
  readonly kubernetesMetricsService: string | undefined;
  readonly podDeletionCosts: boolean;
}

export const kubernetesOptions: readonly Option[] = [
  {
    name: 'kubernetesMetricsPort',
    flag: '--kubernetes-metrics-port',
    variable: 'DRAY_KUBERNETES_METRICS_PORT',
    modes: ['controller'],
    type: 'integer',
    default: '0',
    min: 0,
    max: 65_535,
    doc: 'port at which Kubernetes’ API server asks for the external metric dray_desired_workers, by HTTPS; 0 serves none',
  },
  {
    name: 'kubernetesMetricsSecret',
    flag: '--kubernetes-metrics-secret',
    variable: 'DRAY_KUBERNETES_METRICS_SECRET',
    modes: ['controller'],
    type: 'name',
    doc: 'name of the Secret that holds its certificates: it must exist, and may be empty; the leading controller fills and renews it',
  },
  {
    name: 'kubernetesMetricsService',
    flag: '--kubernetes-metrics-service',
    variable: 'DRAY_KUBERNETES_METRICS_SERVICE',
    modes: ['controller'],
    type: 'name',
    doc: 'name of the Service that leads there: the certificate is for it, and an APIService is ours that names it',
  },
  {
    name: 'podDeletionCosts',
    flag: '--pod-deletion-costs',
    variable: 'DRAY_POD_DELETION_COSTS',
    modes: ['controller'],
    type: 'switch',
    default: 'false',
    doc: 'in Kubernetes: tells of each worker’s pod how busy it is, so that idle ones go first when there are too many',
  },
];
