/** How the chart has the workers follow the queue, where there is helm. */
import { describe, expect, it } from 'vitest';
import { hasHelm, only, render, variables } from './helm.js';

const modes = ['metrics-api', 'prometheus', 'keda', 'cpu', 'off'] as const;
const pools = { gpu: { types: ['score'], min: 0, max: 5 } };

describe.skipIf(!hasHelm)('the chart’s autoscaling', () => {
  it('leaves to an autoscaler the number of what it scales', () => {
    const replicas = (mode: string, name: string): unknown =>
      only(render({ autoscaling: { mode } }), 'Deployment', name).spec?.replicas;
    expect(modes.map((mode) => replicas(mode, 'dray-worker-default'))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      2,
    ]);
    expect(replicas('off', 'dray-api')).toBeUndefined();
    const fixed = render({ api: { replicas: 3, autoscaling: { enabled: false } } });
    expect(only(fixed, 'Deployment', 'dray-api').spec?.replicas).toBe(3);
    expect(
      fixed.filter(({ kind, metadata }) => kind.startsWith('Horizontal') && metadata.name === 'dray-api'),
    ).toEqual([]);
  });

  it.each(['metrics-api', 'prometheus'])('scales a pool by its figure in the mode %s', (mode) => {
    const manifests = render({ autoscaling: { mode }, workers: { pools } });
    const { spec } = only(manifests, 'HorizontalPodAutoscaler', 'dray-worker-gpu');
    expect(spec).toMatchObject({
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'dray-worker-gpu' },
      minReplicas: 0,
      maxReplicas: 5,
      metrics: [
        {
          type: 'External',
          external: {
            metric: { name: 'dray_desired_workers', selector: { matchLabels: { pool: 'gpu' } } },
            target: { type: 'AverageValue', averageValue: '1' },
          },
        },
      ],
      behavior: {
        scaleUp: { stabilizationWindowSeconds: 0 },
        scaleDown: { stabilizationWindowSeconds: 60 },
      },
    });
    const services = manifests.filter(({ kind }) => kind === 'APIService');
    expect(services).toHaveLength(mode === 'metrics-api' ? 1 : 0);
  });

  it.each([
    [null, undefined],
    [0, '0'],
    [0.05, '0.05'],
    ['50m', '50m'],
  ])('tells the HPA of the tolerance %s', (tolerance, told) => {
    const manifests = render({ autoscaling: { tolerance } });
    const { spec } = only(manifests, 'HorizontalPodAutoscaler', 'dray-worker-default');
    const { scaleUp, scaleDown } = spec!.behavior!;
    expect([scaleUp.tolerance, scaleDown.tolerance]).toEqual([told, told]);
  });

  it('serves external metrics with what the controller may do for it, and no more', () => {
    const manifests = render();
    const [service] = manifests.filter(({ kind }) => kind === 'APIService');
    expect(service!.spec?.service).toEqual({ name: 'dray-controller', namespace: 'space', port: 443 });
    // Controllers that wait for Redis answer for it, too.
    expect(only(manifests, 'Service', 'dray-controller').spec?.publishNotReadyAddresses).toBe(true);
    // It is written by the controller: what is not in the manifest, an upgrade leaves alone.
    expect(service!.spec).not.toHaveProperty('caBundle');
    const { spec } = only(manifests, 'Service', 'dray-controller');
    expect(spec?.ports).toContainEqual({ name: 'metrics-api', port: 443, targetPort: 'metrics-api' });
    const given = variables(manifests, 'controller');
    expect(given['DRAY_KUBERNETES_METRICS_SERVICE']).toBe('dray-controller');
    const secret = given['DRAY_KUBERNETES_METRICS_SECRET']!;
    expect(only(manifests, 'Secret', secret)).not.toHaveProperty('data');
    expect(only(manifests, 'Role', 'dray-controller').rules).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'patch'] },
      { apiGroups: [''], resources: ['secrets'], resourceNames: [secret], verbs: ['get', 'patch'] },
    ]);
    expect(only(manifests, 'ClusterRole', 'space:dray-controller').rules).toEqual([
      {
        apiGroups: ['apiregistration.k8s.io'],
        resources: ['apiservices'],
        resourceNames: ['v1beta1.external.metrics.k8s.io'],
        verbs: ['get', 'patch'],
      },
    ]);
    const beyond = render({ autoscaling: { mode: 'cpu' } }).filter(({ kind }) => kind.startsWith('Cluster'));
    expect(beyond).toEqual([]);
  });

  it('asks the API by KEDA with the key, and keeps what there is when it does not answer', () => {
    const manifests = render({ autoscaling: { mode: 'keda' }, workers: { pools } });
    const { spec } = only(manifests, 'ScaledObject', 'dray-worker-gpu');
    expect(spec).toMatchObject({
      scaleTargetRef: { name: 'dray-worker-gpu' },
      minReplicaCount: 0,
      maxReplicaCount: 5,
      // With `replicas: 0` KEDA takes an error for idleness, and scales to zero.
      fallback: { failureThreshold: 3, behavior: 'currentReplicas', replicas: 1 },
      triggers: [
        {
          type: 'metrics-api',
          metricType: 'AverageValue',
          metadata: {
            url: 'http://dray-api.space.svc:8080/desired-worker-scale?pool=gpu',
            valueLocation: 'desired_worker_scale',
            targetValue: '1',
            authMode: 'bearer',
          },
          authenticationRef: { name: 'dray-api-key' },
        },
      ],
    });
    expect(only(manifests, 'TriggerAuthentication', 'dray-api-key').spec?.secretTargetRef).toEqual([
      { parameter: 'token', name: 'dray-api-key', key: 'read-key' },
    ]);
    expect(
      manifests.filter(({ kind, metadata }) => kind.startsWith('Horizontal') && metadata.name !== 'dray-api'),
    ).toEqual([]);
    const silent = render({ autoscaling: { mode: 'keda', keda: { fallbackAfterFailures: null } } });
    expect(only(silent, 'ScaledObject', 'dray-worker-default').spec).not.toHaveProperty('fallback');
  });

  it('scales by CPU, and by memory where that is asked for', () => {
    const cpu = (values: object): unknown =>
      only(
        render({ autoscaling: { mode: 'cpu', cpu: values } }),
        'HorizontalPodAutoscaler',
        'dray-worker-default',
      ).spec?.metrics;
    const utilization = (name: string, averageUtilization: number) => ({
      type: 'Resource',
      resource: { name, target: { type: 'Utilization', averageUtilization } },
    });
    expect(cpu({})).toEqual([utilization('cpu', 70)]);
    expect(cpu({ averageUtilization: null, memoryUtilization: 80 })).toEqual([utilization('memory', 80)]);
  });
});
