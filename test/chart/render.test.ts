/** The objects that the chart makes, where there is helm. */
import { describe, expect, it } from 'vitest';
import { hasHelm, only, podOf, render, variables, type Manifest, type PodSpec } from './helm.js';

const modes = ['metrics-api', 'prometheus', 'keda', 'cpu', 'off'] as const;
const podsOf = (manifests: readonly Manifest[]) =>
  manifests.flatMap((one) => {
    const pod = one.kind === 'Pod' ? (one.spec as PodSpec) : one.spec?.template?.spec;
    return pod ? [{ name: `${one.kind} ${one.metadata.name}`, ...pod }] : [];
  });

describe.skipIf(!hasHelm)('the chart’s objects', () => {
  it.each(modes)('lets no pod have more than Pod Security’s restricted gives, in the mode %s', (mode) => {
    const values = {
      autoscaling: { mode },
      containers: { enabled: true },
      api: { containerPort: 80 },
      options: { openDoors: true },
      models: { enabled: true, inApi: true, volume: { persistentVolumeClaim: { claimName: 'models' } } },
      tensorflowServing: { enabled: true },
      loadtest: { enabled: true },
    };
    const pods = podsOf(render(values));
    expect(pods.length).toBeGreaterThan(10);
    for (const { name, securityContext, containers, initContainers = [], volumes = [], ...pod } of pods) {
      const { runAsNonRoot, runAsUser, seccompProfile, sysctls = [] } = securityContext;
      expect({ runAsNonRoot, seccompProfile }, name).toEqual({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(runAsUser, name).toBeGreaterThan(0);
      expect(pod.enableServiceLinks, name).toBe(false);
      expect(sysctls.map((one) => one.name).join(), name).toMatch(
        /^(net\.ipv4\.ip_unprivileged_port_start)?$/,
      );
      expect(
        volumes.filter((one: object) => 'hostPath' in one),
        name,
      ).toEqual([]);
      for (const one of [...containers, ...initContainers]) {
        expect(one.securityContext, `${name} ${one.name}`).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(one.resources.limits?.memory, `${name} ${one.name}`).toBeDefined();
      }
    }
  });

  it('looks at the servers before an API or a controller starts, and lets a worker start at once', () => {
    const manifests = render();
    const checks = ['dray-api', 'dray-controller', 'dray-worker-default'].map((name) =>
      (podOf(manifests, name).initContainers ?? []).map(({ args }) => args),
    );
    expect(checks).toEqual([[['doctor', '--wait', '60s']], [['doctor', '--wait', '60s']], []]);
  });

  it('lets clients of doors have Services and ports of their own', () => {
    const manifests = render({
      api: {
        containerPort: 80,
        extraServices: [{ name: 'jobs', type: 'NodePort', port: 5_000, nodePort: 30_500 }],
      },
    });
    const pod = podOf(manifests, 'dray-api');
    expect(pod.containers[0]?.ports).toEqual([{ name: 'http', containerPort: 80 }]);
    expect(pod.securityContext.sysctls).toEqual([
      { name: 'net.ipv4.ip_unprivileged_port_start', value: '80' },
    ]);
    expect(variables(manifests, 'api')['DRAY_PORT']).toBe('80');
    const service = only(manifests, 'Service', 'jobs');
    expect(service.spec).toMatchObject({
      type: 'NodePort',
      selector: only(manifests, 'Service', 'dray-api').spec?.selector,
      ports: [{ port: 5_000, nodePort: 30_500, targetPort: 'http' }],
    });
  });

  it('lets Prometheus find each process by one Service', () => {
    const manifests = render({
      metrics: { serviceMonitor: { enabled: true, labels: { release: 'prometheus' } } },
      models: { enabled: true, volume: { persistentVolumeClaim: { claimName: 'models' } } },
    });
    const services = manifests.filter(({ kind }) => kind === 'Service');
    for (const component of ['api', 'controller', 'worker', 'models']) {
      const monitor = only(manifests, 'ServiceMonitor', `dray-${component}`);
      expect(monitor.metadata.labels['release']).toBe('prometheus');
      // These ask who it is, and to read is all that it needs.
      expect(monitor.spec?.endpoints?.[0]?.authorization).toEqual(
        ['api', 'models'].includes(component)
          ? { credentials: { name: 'dray-api-key', key: 'read-key' } }
          : undefined,
      );
      const wanted = Object.entries(monitor.spec?.selector?.matchLabels ?? {});
      const found = services.filter(({ metadata }) =>
        wanted.every(([key, value]) => metadata.labels[key] === value),
      );
      expect(found.map(({ metadata }) => metadata.name)).toEqual([`dray-${component}`]);
      const ports = found[0]!.spec?.ports?.map(({ name }) => name);
      expect(ports).toContain(monitor.spec?.endpoints?.[0]?.port);
    }
  });

  it('forbids no drain of a node for ever', () => {
    const budgets = (values: object) =>
      render(values)
        .filter(({ kind }) => kind === 'PodDisruptionBudget')
        .map(({ metadata }) => metadata.name);
    expect(budgets({})).toEqual(['dray-api', 'dray-controller', 'dray-worker-default']);
    const one = { api: { replicas: 1, autoscaling: { enabled: false } }, controller: { replicas: 1 } };
    expect(budgets(one)).toEqual(['dray-worker-default']);
  });
});
