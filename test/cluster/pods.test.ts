import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { diagnoseKubernetes } from '../../src/compose/kubernetes-diagnosis.js';
import { DeletionCosts } from '../../src/kubernetes/deletion-costs.js';
import { eventually } from '../support/eventually.js';
import { image, noCluster, testNamespace, type TestNamespace } from './cluster.js';
import { accountOf } from './dray-account.js';

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status?: { readonly phase?: string };
}

describe.skipIf(noCluster)('pods of a release', () => {
  let space: TestNamespace;
  const deployments = () => `/apis/apps/v1/namespaces/${space.name}/deployments`;
  const pods = async (app: string) =>
    (await space.api.list<Pod>(space.api.pods(), `app=${app}`)).filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase === 'Running',
    );

  beforeAll(async () => {
    space = await testNamespace();
  });
  afterAll(() => space.cleanup());

  test('go idle first, by what they were told that they cost', async () => {
    const { api } = space;
    const labels = { 'dray.dev/pool': 'default' };
    await api.create(deployments(), deployment('worker', { labels, replicas: 4, script: 'exec sleep 3600' }));
    const all = await eventually(
      () => pods('worker'),
      (found) => found.length === 4,
    );
    // Not the oldest, nor the youngest, which would stay or go without being told.
    const busy = all.map(({ metadata }) => metadata.name).sort()[1]!;
    const costs = new DeletionCosts({
      ...{ api, clock: systemClock },
      log: { info: () => undefined, warn: () => undefined },
    });
    await costs.write(new Map([...all.map(({ metadata }) => [metadata.name, 0] as const), [busy, 2]]));
    for (const replicas of [3, 2, 1]) {
      await api.patch(`${deployments()}/worker`, { spec: { replicas } });
      const left = await eventually(
        () => pods('worker'),
        (found) => found.length === replicas,
      );
      expect(left.map(({ metadata }) => metadata.name)).toContain(busy);
    }
  });

  test('are looked at by the doctor, who says why they do not work', async () => {
    const { api, name: namespace } = space;
    const ours = (component: string) => ({
      'app.kubernetes.io/name': 'dray',
      'app.kubernetes.io/instance': 'ill',
      'app.kubernetes.io/component': component,
    });
    await api.create(
      deployments(),
      deployment('api', { labels: ours('api'), script: 'echo "redis: refused" >&2; exit 1' }),
    );
    await api.create(
      deployments(),
      deployment('controller', {
        labels: ours('controller'),
        script: 'exec sleep 3600',
        env: [
          { name: 'DRAY_POD_DELETION_COSTS', value: 'true' },
          { name: 'DRAY_STATE', valueFrom: { secretKeyRef: { name: 'no-such-secret', key: 'address' } } },
        ],
      }),
    );
    const look = async () => {
      const findings = await diagnoseKubernetes({ release: 'ill', namespace });
      return Object.fromEntries(findings.map(({ check, state, detail }) => [check, { state, detail }]));
    };
    const found = await eventually(
      look,
      ({ pods: one }) =>
        /CrashLoop/.test(one?.detail ?? '') && /CreateContainerConfig/.test(one?.detail ?? ''),
    );
    expect(found['kubernetes']?.state).toBe('ok');
    expect(found['pods']).toMatchObject({
      state: 'wrong',
      detail: expect.stringContaining('redis: refused') as string,
    });
    expect(found['secrets']).toEqual({ state: 'wrong', detail: 'there is no Secret no-such-secret' });
    expect(found['rights']?.state).toBe('wrong');
    expect(found['rights']?.detail).toBe('default may not get pods; default may not patch pods');
    expect(found['leading controller']?.state).toBe('wrong');
    expect(found['autoscalers']?.state).toBe('warning');
    expect(await diagnoseKubernetes({ release: 'nobody', namespace })).toMatchObject([
      { check: 'kubernetes', state: 'ok' },
      { check: 'pods', state: 'wrong' },
    ]);
  });

  test('that the doctor may not see are one finding, not seven', async () => {
    const { api, name: namespace } = space;
    const folder = await mkdtemp(join(tmpdir(), 'dray-account-'));
    try {
      const config = await accountOf(api, 'stranger');
      await writeFile(join(folder, 'config'), config.exportConfig(), { mode: 0o600 });
      vi.stubEnv('KUBECONFIG', join(folder, 'config'));
      expect(await diagnoseKubernetes({ release: 'ill', namespace })).toMatchObject([
        { check: 'kubernetes', state: 'ok' },
        { check: 'pods', state: 'warning', detail: expect.stringContaining('not looked at') as string },
      ]);
    } finally {
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true });
    }
  });
});

function deployment(
  name: string,
  params: { labels: Record<string, string>; replicas?: number; script: string; env?: readonly object[] },
) {
  const { labels, replicas = 1, script, env = [] } = params;
  const all = { app: name, ...labels };
  return {
    metadata: { name, labels: all },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: all },
        spec: {
          terminationGracePeriodSeconds: 1,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 1_000,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name,
              image,
              imagePullPolicy: 'IfNotPresent',
              terminationMessagePolicy: 'FallbackToLogsOnError',
              env: [{ name: 'SCRIPT', value: script }, ...env],
              resources: { requests: { cpu: '1m', memory: '4Mi' } },
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
            },
          ],
        },
      },
    },
  };
}
