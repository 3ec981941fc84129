/** Whether the accounts of a release may do what their options need: docs/kubernetes-rights.md, docs/containers.md. */
import type { Api } from '../../kubernetes/api.js';
import { apiServiceName } from '../../kubernetes/metrics-api/certificate-keeper.js';
import { ok, wrong, type Verdict } from '../verdicts.js';
import type { Release } from './release.js';

interface Right {
  readonly group?: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verbs: readonly string[];
  readonly name?: string;
  /** By default that of the release; empty: of the whole cluster. */
  readonly namespace?: string;
}

type Variables = Readonly<Record<string, string>>;

export async function checkRights(release: Release): Promise<Verdict> {
  const { api } = release;
  const needs = new Map<string, { readonly account: string; readonly right: Right }>();
  for (const [component, neededBy] of [
    ['controller', ofController],
    ['worker', ofWorker],
  ] as const) {
    for (const pod of await release.podsOf(component)) {
      const account = pod.spec.serviceAccountName ?? 'default';
      const rights = neededBy(await release.environment(pod));
      for (const right of rights) needs.set(JSON.stringify([account, right]), { account, right });
    }
  }
  const lacking: string[] = [];
  for (const { account, right } of needs.values()) {
    for (const verb of right.verbs) {
      if (await mayDo(api, account, right, verb)) continue;
      const { resource, subresource, name } = right;
      const what = [resource, subresource].filter((part) => part !== undefined).join('/');
      lacking.push(`${account} may not ${verb} ${what}${name === undefined ? '' : ` ${name}`}`);
    }
  }
  if (lacking.length === 0) return ok(`${needs.size} kinds that the options need, all given`);
  return wrong(
    lacking.join('; '),
    'Give the accounts what docs/kubernetes-rights.md and docs/containers.md say, as the chart does.',
  );
}

function ofController(variables: Variables): readonly Right[] {
  const { DRAY_KUBERNETES_METRICS_PORT: port = '0', DRAY_KUBERNETES_METRICS_SECRET: secret } = variables;
  const namespace = '';
  const ofMetrics: readonly Right[] = [
    { resource: 'secrets', verbs: ['get', 'patch'], ...(secret !== undefined && { name: secret }) },
    {
      group: 'apiregistration.k8s.io',
      resource: 'apiservices',
      name: apiServiceName,
      verbs: ['get', 'patch'],
      namespace,
    },
    { group: 'authentication.k8s.io', resource: 'tokenreviews', verbs: ['create'], namespace },
    { group: 'authorization.k8s.io', resource: 'subjectaccessreviews', verbs: ['create'], namespace },
    {
      resource: 'configmaps',
      name: 'extension-apiserver-authentication',
      verbs: ['get'],
      namespace: 'kube-system',
    },
  ];
  const ofCosts: readonly Right[] = [{ resource: 'pods', verbs: ['get', 'patch'] }];
  return [
    ...(port === '0' ? [] : ofMetrics),
    ...(['true', '1'].includes(variables['DRAY_POD_DELETION_COSTS'] ?? '') ? ofCosts : []),
  ];
}

function ofWorker({ DRAY_CONTAINERS: runtime, DRAY_CONTAINER_NAMESPACE: namespace }: Variables) {
  if (runtime !== 'kubernetes') return [];
  const rights: readonly Right[] = [
    { group: 'batch', resource: 'jobs', verbs: ['create', 'get', 'list', 'watch', 'patch', 'delete'] },
    { resource: 'pods', verbs: ['get', 'list', 'watch', 'delete'] },
    { resource: 'pods', subresource: 'log', verbs: ['get'] },
  ];
  return rights.map((right) => ({ ...right, ...(namespace !== undefined && { namespace }) }));
}

async function mayDo(api: Api, account: string, right: Right, verb: string): Promise<boolean> {
  const { group = '', resource, subresource, name, namespace = api.namespace } = right;
  const { status } = await api.create<{ status?: { allowed?: boolean } }>(
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: `system:serviceaccount:${api.namespace}:${account}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${api.namespace}`, 'system:authenticated'],
        resourceAttributes: { group, resource, subresource, verb, name, namespace },
      },
    },
  );
  return status?.allowed === true;
}
