/** An account of the cluster that may do in a namespace what docs/containers.md says that Dray needs, and no more. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KubeConfig, loadYaml } from '@kubernetes/client-node';
import type { Api } from '../../src/kubernetes/api.js';
import { eventually } from '../support/eventually.js';
import { root } from '../support/sources.js';
import type { TestNamespace } from './cluster.js';

/** @returns the path of its kubeconfig, in the folder. */
export async function drayAccount({ name, api }: TestNamespace, folder: string): Promise<string> {
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${name}`;
  const role = documentedRole();
  const config = await accountOf(api, 'dray');
  await api.create(`${rbac}/roles`, role);
  await api.create(`${rbac}/rolebindings`, {
    metadata: { name: 'dray' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role.metadata.name },
    subjects: [{ kind: 'ServiceAccount', name: 'dray', namespace: name }],
  });
  const path = join(folder, 'kubeconfig');
  await writeFile(path, config.exportConfig(), { mode: 0o600 });
  return path;
}

/** Makes an account in the namespace of `api`, which may do nothing yet. */
export async function accountOf(api: Api, name: string): Promise<KubeConfig> {
  const core = `/api/v1/namespaces/${api.namespace}`;
  await api.create(`${core}/serviceaccounts`, { metadata: { name } });
  const secret = `${name}-token`;
  await api.create(`${core}/secrets`, {
    metadata: { name: secret, annotations: { 'kubernetes.io/service-account.name': name } },
    type: 'kubernetes.io/service-account-token',
  });
  const { data } = await eventually(
    () => api.get<{ data?: { token?: string } }>(`${core}/secrets/${secret}`),
    (found) => found.data?.token !== undefined,
  );
  const config = new KubeConfig();
  config.loadFromDefault();
  config.users = [{ name, token: Buffer.from(data!.token!, 'base64').toString() }];
  const { cluster } = config.getContextObject(config.getCurrentContext())!;
  config.contexts = [{ name, cluster, user: name }];
  config.setCurrentContext(name);
  return config;
}

function documentedRole(): { readonly metadata: { readonly name: string } } {
  const text = readFileSync(join(root, 'docs/containers.md'), 'utf8');
  const [, yaml] = /```yaml\n(.*?kind: Role\n.*?)```/s.exec(text) ?? [];
  if (yaml === undefined) throw new Error('docs/containers.md has no Role');
  return loadYaml(yaml);
}
