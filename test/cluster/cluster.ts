/** The cluster that KUBECONFIG names, for tests; without one they are skipped, which the last line counts. */
import { systemClock } from '../../src/clock.js';
import { openKubernetes } from '../../src/tasks/container/kubernetes.js';
import { connect, isAnswer, type Api } from '../../src/kubernetes/api.js';
import type { KubePod } from '../../src/tasks/container/kubernetes/objects.js';
import type { ContainerRuntime } from '../../src/tasks/container/runtime.js';
import { imageName, rootImageName } from './image.js';

export const noCluster = !process.env['KUBECONFIG'];

/** By the user 1000. */
export const image = process.env['DRAY_TEST_IMAGE'] ?? imageName;
/** By root; undefined where the image is one of elsewhere. */
export const rootImage = process.env['DRAY_TEST_IMAGE'] === undefined ? rootImageName : undefined;
export const absentImage = 'dray.test/that-nobody-made:1';
/** How long the runtimes of the tests take an image for one that may yet come, in ms. */
const imageMs = 15_000;

export interface TestNamespace {
  readonly name: string;
  readonly api: Api;
  open(owner: string, options?: { root?: boolean; secret?: string }): Promise<ContainerRuntime>;
  /** The pods of a job of Dray. */
  pods(jobId: string): Promise<readonly KubePod[]>;
  cleanup(): Promise<void>;
}

/** @param level of Pod Security, which the API server enforces in it. */
export async function testNamespace(level: 'restricted' | 'baseline' = 'restricted'): Promise<TestNamespace> {
  const name = `dray-test-${systemClock.token().slice(0, 8)}`;
  const api = await connect({ namespace: name, clock: systemClock });
  const labels = { 'pod-security.kubernetes.io/enforce': level };
  await api.create('/api/v1/namespaces', { metadata: { name, labels } });
  await ready(api);
  return {
    name,
    api,
    open: (owner, { root = false, secret } = {}) =>
      openKubernetes({
        owner,
        clock: systemClock,
        log: { info: () => undefined, warn: () => undefined },
        namespace: name,
        secret,
        serviceAccount: undefined,
        root,
        imageMs,
      }),
    pods: (jobId) => api.list<KubePod>(api.pods(), `dray.dev/job=${jobId}`),
    cleanup: async () => {
      await api.delete(`/api/v1/namespaces/${name}`, {});
      api.close();
    },
  };
}

/** A namespace gets its service account a moment after it was made, and no pod starts before. */
async function ready(api: Api): Promise<void> {
  for (;;) {
    try {
      await api.get(`/api/v1/namespaces/${api.namespace}/serviceaccounts/default`);
      return;
    } catch (error) {
      if (!isAnswer(error, 404)) throw error;
      await systemClock.sleep(50);
    }
  }
}

/** Where this machine and pods reach NodePorts. */
export async function nodeAddress(api: Api): Promise<string> {
  const { DRAY_TEST_NODE } = process.env;
  if (DRAY_TEST_NODE !== undefined) return DRAY_TEST_NODE;
  interface Node {
    readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
  }
  const nodes = await api.list<Node>('/api/v1/nodes', '');
  const [first] = nodes.flatMap(({ status }) => status.addresses.filter(({ type }) => type === 'InternalIP'));
  if (!first) throw new Error('the nodes tell no address: set DRAY_TEST_NODE');
  return first.address;
}
