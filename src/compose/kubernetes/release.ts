/** What the checks of `dray doctor --kubernetes` look at: the pods of one release, or of all in a namespace. */
import type { Api } from '../../kubernetes/api.js';
import type { Condition } from '../../kubernetes/condition.js';
import type { StandingPod } from '../../kubernetes/pod-trouble.js';

export interface Metadata {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
}

export interface Reference {
  readonly name?: string;
  readonly key?: string;
  readonly optional?: boolean;
}

interface Container {
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef?: Reference };
  }[];
  readonly envFrom?: readonly { readonly configMapRef?: Reference; readonly secretRef?: Reference }[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
}

export interface Pod extends StandingPod {
  readonly metadata: Metadata;
  readonly spec: {
    readonly serviceAccountName?: string;
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly {
      readonly secret?: {
        readonly secretName?: string;
        readonly optional?: boolean;
        readonly items?: readonly { readonly key: string }[];
      };
    }[];
  };
}

export interface Autoscaler {
  readonly metadata: Metadata;
  readonly spec: {
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
    readonly metrics?: readonly {
      readonly external?: {
        readonly metric: {
          readonly name: string;
          readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
        };
      };
    }[];
  };
  readonly status?: {
    readonly conditions?: readonly Condition[];
  };
}

export class Release {
  readonly api: Api;
  readonly #selector: string;
  #pods: Promise<readonly Pod[]> | undefined;
  #autoscalers: Promise<readonly Autoscaler[]> | undefined;

  /** @param name undefined: all of the namespace. */
  constructor(api: Api, name: string | undefined) {
    this.api = api;
    this.#selector = `app.kubernetes.io/name=dray${name === undefined ? '' : `,app.kubernetes.io/instance=${name}`}`;
  }

  /** Without those that have done what they were for, and the chart's tests. */
  pods(): Promise<readonly Pod[]> {
    const { api } = this;
    const stays = ({ metadata, status }: Pod): boolean =>
      status?.phase !== 'Succeeded' && metadata.annotations?.['helm.sh/hook'] === undefined;
    return (this.#pods ??= api.list<Pod>(api.pods(), this.#selector).then((pods) => pods.filter(stays)));
  }

  async podsOf(component: 'api' | 'controller' | 'worker'): Promise<readonly Pod[]> {
    return (await this.pods()).filter(({ metadata }) => componentOf(metadata) === component);
  }

  /** Those that scale what is of the release; KEDA's are not labelled as ours. */
  autoscalers(): Promise<readonly Autoscaler[]> {
    const { api } = this;
    const find = async (): Promise<readonly Autoscaler[]> => {
      const inNamespace = `namespaces/${api.namespace}`;
      const path = `/apis/apps/v1/${inNamespace}/deployments`;
      const deployments = await api.list<{ metadata: Metadata }>(path, this.#selector);
      const targets = new Set(deployments.map(({ metadata }) => metadata.name));
      const all = await api.list<Autoscaler>(
        `/apis/autoscaling/v2/${inNamespace}/horizontalpodautoscalers`,
        '',
      );
      return all.filter(({ spec }) => targets.has(spec.scaleTargetRef.name));
    };
    return (this.#autoscalers ??= find());
  }

  /** The variables of a pod's containers that are written out, in it or in a ConfigMap. */
  async environment({ spec }: Pod): Promise<Readonly<Record<string, string>>> {
    const { api } = this;
    const variables: Record<string, string> = {};
    for (const { env = [], envFrom = [] } of spec.containers) {
      for (const { configMapRef } of envFrom) {
        if (configMapRef?.name === undefined) continue;
        const path = `/api/v1/namespaces/${api.namespace}/configmaps/${configMapRef.name}`;
        const { data = {} } = await api.get<{ data?: Record<string, string> }>(path);
        Object.assign(variables, data);
      }
      for (const { name, value } of env) if (value !== undefined) variables[name] = value;
    }
    return variables;
  }
}

export function componentOf({ labels = {} }: Metadata): string {
  return labels['app.kubernetes.io/component'] ?? 'other';
}
