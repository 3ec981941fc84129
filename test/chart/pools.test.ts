/** What the chart tells API, controller and each pool of workers, where there is helm. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { readScaledPools, servedTypes } from '../../src/compose/pools.js';
import { knownTasks } from '../../src/compose/tasks.js';
import { parseBlobsAddress } from '../../src/config/blobs-address.js';
import { readDeploymentConfig, type DeploymentConfig } from '../../src/config/read-config.js';
import { root } from '../support/sources.js';
import { hasHelm, only, podOf, render, variables, type Manifest } from './helm.js';

const pools = {
  gpu: {
    types: ['score'],
    min: 0,
    max: 5,
    slots: 4,
    resources: { limits: { 'nvidia.com/gpu': 1 } },
    nodeSelector: { gpu: 'true' },
    options: { inlineSlots: 3 },
    env: [{ name: 'OWN', value: 'pool' }],
  },
  mstc: { types: ['container'] },
};

/** As the process reads it. */
function configOf(manifests: readonly Manifest[], component: string): DeploymentConfig {
  const [mode] = component.split('-') as ['api' | 'controller' | 'worker'];
  const servers = { DRAY_QUEUE: 'amqp://rabbitmq', DRAY_STATE: 'redis://redis' };
  return readDeploymentConfig(mode, {}, { ...variables(manifests, component), ...servers });
}

describe.skipIf(!hasHelm)('the chart’s processes', () => {
  it('tells every process what it takes', async () => {
    const options = {
      keepFor: '2d',
      keepJobs: 1_000_000,
      openDoors: true,
      allowBuckets: ['bucket', 'other/part'],
      simulate: 1.5,
    };
    const containers = { enabled: true, images: ['docker.io/mstc/*'], bucketHosts: ['minio:9000'] };
    const manifests = render({ options, containers, workers: { pools } });
    expect(configOf(manifests, 'api')).toMatchObject({
      host: '0.0.0.0',
      port: 8_080,
      auth: 'keys',
      openDoors: true,
      keepFor: 2 * 86_400,
      allowBuckets: ['bucket', 'other/part'],
      containers: 'kubernetes',
      containerImages: ['docker.io/mstc/*'],
    });
    const controller = configOf(manifests, 'controller');
    expect(controller).toMatchObject({
      keepJobs: 1_000_000,
      slotsPerWorker: 2,
      healthPort: 8_081,
      podDeletionCosts: true,
    });
    expect(readScaledPools(controller)).toEqual([
      {
        name: 'default',
        types: [],
        slotsPerWorker: undefined, // that of the option
        policy: { min: 1, max: 10, drainTarget: 60, slo: 300, utilisation: 0.8 },
      },
      {
        name: 'gpu',
        types: ['score'],
        slotsPerWorker: 4,
        policy: { min: 0, max: 5, drainTarget: 60, slo: 300, utilisation: 0.8 },
      },
      {
        name: 'mstc',
        types: ['container'],
        slotsPerWorker: 50,
        policy: { min: 1, max: 10, drainTarget: 60, slo: 300, utilisation: 0.8 },
      },
    ]);
    const worker = configOf(manifests, 'worker-default');
    expect(worker).toMatchObject({
      pool: 'default',
      slotsPerWorker: 2,
      drainGrace: 30,
      containers: 'off',
      simulate: 1.5,
    });
    expect(servedTypes(worker, await knownTasks(worker, parseBlobsAddress(worker.blobs)))).toContain(
      'matmul',
    );
    expect(configOf(manifests, 'worker-gpu')).toMatchObject({
      pool: 'gpu',
      slotsPerWorker: 4,
      inlineSlots: 3,
    });
    expect(configOf(manifests, 'worker-mstc')).toMatchObject({ pool: 'mstc', containers: 'kubernetes' });
  });

  it('gives a pool what it says itself, and of all others the defaults', () => {
    const defaults = {
      env: [{ name: 'OWN', value: 'all' }],
      options: { inlineSlots: 7, blas: '/lib/blas.so' },
    };
    const manifests = render({
      workers: { defaults, pools: { ...pools, gpu: { ...pools.gpu, drainGraceSeconds: 600 } } },
    });
    const pod = podOf(manifests, 'dray-worker-gpu');
    expect(pod.nodeSelector).toEqual({ gpu: 'true' });
    expect(pod.terminationGracePeriodSeconds).toBe(615);
    expect(pod.containers[0]?.resources).toEqual({ limits: { 'nvidia.com/gpu': 1 } });
    expect(variables(manifests, 'worker-gpu')).toMatchObject({
      OWN: 'pool',
      DRAY_INLINE_SLOTS: '3',
      DRAY_BLAS: '/lib/blas.so',
    });
    expect(variables(manifests, 'worker-mstc')).toMatchObject({ OWN: 'all', DRAY_INLINE_SLOTS: '7' });
    expect(podOf(manifests, 'dray-worker-default').terminationGracePeriodSeconds).toBe(45);
  });

  it('lets only those workers speak to the API server that run containers', () => {
    const namespace = 'jobs';
    const manifests = render({ containers: { enabled: true, namespace }, workers: { pools } });
    const mounts = manifests
      .filter(({ kind }) => kind === 'Deployment')
      .filter(({ spec }) => spec?.template?.spec.automountServiceAccountToken !== false)
      .map(({ metadata }) => metadata.name);
    expect(mounts.sort()).toEqual(['dray-controller', 'dray-worker-mstc']);
    const role = only(manifests, 'Role', 'dray-containers');
    expect(role.metadata.namespace).toBe(namespace);
    const [, documented] = /```yaml\n(.*?kind: Role\n.*?)```/s.exec(
      readFileSync(join(root, 'docs/containers.md'), 'utf8'),
    )!;
    expect(role.rules).toEqual(loadYaml<Manifest>(documented!).rules);
    expect(render().filter(({ metadata }) => metadata.name === 'dray-containers')).toEqual([]);
  });

  it('rolls pods whose options have changed, and no others', () => {
    const checksum = (manifests: readonly Manifest[], name: string): unknown =>
      only(manifests, 'Deployment', `dray-${name}`).spec?.template?.metadata.annotations['checksum/config'];
    const before = render();
    expect(checksum(render({ options: { keepFor: '2d' } }), 'api')).not.toBe(checksum(before, 'api'));
    // Neither API nor workers are replaced because there may be more of them.
    const after = render({ workers: { defaults: { max: 20 } } });
    for (const name of ['api', 'worker-default'])
      expect(only(after, 'Deployment', `dray-${name}`)).toEqual(only(before, 'Deployment', `dray-${name}`));
  });
});
