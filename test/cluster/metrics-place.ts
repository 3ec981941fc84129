/**
 * The metrics API on this machine, as a controller has it, and all that a cluster needs to ask it: the Service that
 * leads here, the Secret, the APIService, and an account with the rights of docs/kubernetes-rights.md alone.
 */
import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { loadAllYaml } from '@kubernetes/client-node';
import { systemClock } from '../../src/clock.js';
import type { PoolPlans } from '../../src/jobs/scaling.js';
import { Api, connect, isAnswer } from '../../src/kubernetes/api.js';
import {
  apiServiceName,
  apiServicePath,
  CertificateKeeper,
  type ApiService,
} from '../../src/kubernetes/metrics-api/certificate-keeper.js';
import type { Lifetimes } from '../../src/kubernetes/metrics-api/certificate-plan.js';
import { MetricsApi } from '../../src/kubernetes/metrics-api/server.js';
import { root } from '../support/sources.js';
import { noCluster, testNamespace, type TestNamespace } from './cluster.js';
import { accountOf } from './dray-account.js';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const group = { apiGroup: 'rbac.authorization.k8s.io' };
const secret = 'metrics-tls';
const service = 'metrics';
const log = { info: () => undefined, warn: () => undefined };

/** Whether a test may not have it: there is one APIService of external metrics in a cluster. */
export async function isTaken(): Promise<boolean> {
  if (noCluster) return true;
  const api = await connect({ namespace: undefined, clock: systemClock });
  try {
    await api.get(apiServicePath);
    return true;
  } catch (error) {
    if (isAnswer(error, 404)) return false;
    throw error;
  } finally {
    api.close();
  }
}

export class MetricsPlace {
  readonly space: TestNamespace;
  /** What the metrics API tells. */
  plans: PoolPlans = new Map();
  /** Of this machine, for the cluster and for itself. */
  readonly address: string;
  readonly server: MetricsApi;
  readonly #account: Api;
  readonly #removals: (() => Promise<unknown>)[] = [];

  /** With the APIService, which nobody may have. */
  static async open(): Promise<MetricsPlace> {
    const space = await testNamespace();
    const { api } = space;
    const config = await accountOf(api, 'controller');
    const account = new Api({ config, server: api.server, namespace: space.name, clock: systemClock });
    const place = new MetricsPlace(space, account, await addressFor(api.server));
    await api.create(api.secrets(), { metadata: { name: secret } });
    await place.#grant();
    return place;
  }

  private constructor(space: TestNamespace, account: Api, address: string) {
    this.space = space;
    this.#account = account;
    this.address = address;
    this.server = new MetricsApi({
      ...{ api: account, secret, log, clock: systemClock },
      host: '0.0.0.0',
      port: 0,
      plans: () => Promise.resolve(this.plans),
    });
  }

  /** As the leader has one. */
  keeper(lifetimes?: Lifetimes): CertificateKeeper {
    return new CertificateKeeper({
      ...{ api: this.#account, secret, service, log, clock: systemClock },
      ...(lifetimes && { lifetimes }),
    });
  }

  get path(): string {
    return `/apis/external.metrics.k8s.io/v1beta1/namespaces/${this.space.name}/dray_desired_workers`;
  }

  apiService(): Promise<ApiService> {
    return this.space.api.get<ApiService>(apiServicePath);
  }

  /** Leads the cluster here: from now on the metrics API is asked. */
  async join(): Promise<void> {
    const { api, name } = this.space;
    const { port } = this.server.address!;
    await api.create(`/api/v1/namespaces/${name}/services`, {
      metadata: { name: service },
      spec: { ports: [{ name: 'https', port: 443, targetPort: port }] },
    });
    await api.create(`/apis/discovery.k8s.io/v1/namespaces/${name}/endpointslices`, {
      metadata: { name: service, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [this.address], conditions: { ready: true } }],
      ports: [{ name: 'https', port }],
    });
    this.#removals.push(() => api.delete(apiServicePath, {}));
    await api.create('/apis/apiregistration.k8s.io/v1/apiservices', {
      metadata: { name: apiServiceName },
      spec: {
        service: { name: service, namespace: name },
        group: 'external.metrics.k8s.io',
        version: 'v1beta1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
      },
    });
  }

  async cleanup(): Promise<void> {
    for (const remove of this.#removals) await remove();
    await this.server.stop();
    this.#account.close();
    await this.space.cleanup();
  }

  /** What docs/kubernetes-rights.md says, to the account. */
  async #grant(): Promise<void> {
    const { api, name } = this.space;
    const subjects = [{ kind: 'ServiceAccount', name: 'controller', namespace: name }];
    const bind = async (at: string, kind: string, role: string, of: string): Promise<void> => {
      const plural = `${kind.toLowerCase()}bindings`;
      const path = at === '' ? `${rbac}/${plural}` : `${rbac}/namespaces/${at}/${plural}`;
      const roleRef = { ...group, kind: of, name: role };
      await api.create(path, {
        metadata: { name: `${name}-${role.replaceAll(':', '-')}` },
        roleRef,
        subjects,
      });
      this.#removals.push(() => api.delete(`${path}/${name}-${role.replaceAll(':', '-')}`, {}));
    };
    const documented = rulesOfDocs(name);
    await api.create(`${rbac}/namespaces/${name}/roles`, {
      metadata: { name: 'controller' },
      rules: documented.Role,
    });
    await bind(name, 'Role', 'controller', 'Role');
    await api.create(`${rbac}/clusterroles`, {
      metadata: { name: `${name}-controller` },
      rules: documented.ClusterRole,
    });
    this.#removals.push(() => api.delete(`${rbac}/clusterroles/${name}-controller`, {}));
    await bind('', 'ClusterRole', `${name}-controller`, 'ClusterRole');
    await bind('', 'ClusterRole', 'system:auth-delegator', 'ClusterRole');
    await bind('kube-system', 'Role', 'extension-apiserver-authentication-reader', 'Role');
  }
}

function rulesOfDocs(namespace: string) {
  const text = readFileSync(join(root, 'docs/kubernetes-rights.md'), 'utf8');
  const blocks = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml]) =>
    yaml!.replaceAll('NAMESPACE', namespace).replaceAll('dray-controller-tls', secret),
  );
  const documents = blocks.flatMap((block) => loadAllYaml(block) as { kind: string; rules: object[] }[]);
  const of = (kind: string): object[] =>
    documents.filter((one) => one.kind === kind).flatMap(({ rules }) => rules);
  return { Role: of('Role'), ClusterRole: of('ClusterRole') };
}

/** That of this machine on its way to the API server, or else where that is this machine too, another of its own. */
async function addressFor(server: string): Promise<string> {
  const given = process.env['DRAY_TEST_RUNNER'];
  if (given !== undefined) return given;
  const { hostname, port } = new URL(server);
  const local = await new Promise<string>((resolve, reject) => {
    const socket = connectSocket(Number(port) || 443, hostname.replaceAll(/[[\]]/g, ''), () => {
      resolve(socket.localAddress ?? '');
      socket.destroy();
    }).on('error', reject);
  });
  if (local !== '' && !local.startsWith('127.') && !local.includes(':')) return local;
  const others = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return others.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? local;
}
