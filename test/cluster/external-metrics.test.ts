import { request } from 'node:https';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { Loop } from '../../src/control/loop.js';
import type { ScalingPlan } from '../../src/jobs/scaling.js';
import { eventually } from '../support/eventually.js';
import { image } from './cluster.js';
import { accountOf } from './dray-account.js';
import { isTaken, MetricsPlace } from './metrics-place.js';

interface Values {
  readonly items: readonly { readonly value: string; readonly metricLabels: Record<string, string> }[];
}

interface Autoscaler {
  readonly status?: {
    readonly desiredReplicas?: number;
    readonly currentReplicas?: number;
    readonly conditions?: readonly { type: string; status: string; reason?: string; message?: string }[];
  };
}

const known = (desired: number): ScalingPlan => ({ kind: 'known', desired }) as ScalingPlan;
const taken = await isTaken();

describe.skipIf(taken)('the metrics API in a cluster', () => {
  let place: MetricsPlace;
  /** For all of these tests: certificates live for seconds here. */
  let renewing: Loop;
  let failure: unknown;
  const bundles = new Set<string>();
  const served = new Set<string>();
  const read = (query: Record<string, string> = {}): Promise<Values> =>
    place.space.api.get(place.path, query);

  beforeAll(async () => {
    place = await MetricsPlace.open();
    const keeper = place.keeper({ authorityMs: 60_000, servingMs: 30_000, overlapMs: 2_000 });
    await keeper.keep();
    await place.server.refresh();
    await place.join();
    renewing = new Loop({
      clock: systemClock,
      intervalMs: 500,
      pass: async () => {
        try {
          await keeper.keep();
          await place.server.refresh();
          bundles.add((await place.apiService()).spec!.caBundle!);
          served.add((await ask(place, '/healthz')).fingerprint);
        } catch (error) {
          failure = error;
        }
      },
    });
    await renewing.start();
    place.plans = new Map([
      ['default', known(3)],
      ['gpu', known(7)],
      ['late', { kind: 'unknown', reason: 'the load has not been measured yet' }],
    ]);
    await eventually(
      () => place.apiService(),
      ({ status }) =>
        status?.conditions?.some((one) => one.type === 'Available' && one.status === 'True') === true,
    );
    // The API server may say so before it leads anybody there.
    await eventually(
      () => read({ labelSelector: 'pool=gpu' }).catch(() => undefined),
      (values) => values !== undefined,
    );
  });
  afterAll(async () => {
    await renewing.stop();
    await place.cleanup();
  });

  test('answers through the API server, by label', async () => {
    const { items } = await read({ labelSelector: 'pool=gpu' });
    expect(items).toMatchObject([
      { metricName: 'dray_desired_workers', metricLabels: { pool: 'gpu' }, value: '7' },
    ]);
    const both = await read({ labelSelector: 'pool in (default,gpu)' });
    expect(both.items.map(({ value }) => value)).toEqual(['3', '7']);
  });

  test('gives an error instead of a figure that it does not know', async () => {
    for (const labelSelector of ['pool=late', '']) {
      await expect(read({ labelSelector })).rejects.toMatchObject({ answered: 503 });
    }
    await expect(read({ labelSelector: 'pool=late' })).rejects.toThrow(/not been measured yet/);
    await expect(read({ labelSelector: 'pool=nobody' })).rejects.toMatchObject({ answered: 404 });
    await expect(read({ labelSelector: 'pool like' })).rejects.toMatchObject({ answered: 400 });
    const { api } = place.space;
    const elsewhere = place.path.replace(place.space.name, 'default');
    await expect(api.get(elsewhere)).rejects.toThrow(/no figures of namespace default/);
    await expect(api.get(place.path.replace('desired', 'wanted'))).rejects.toThrow(/no metric dray_wanted/);
  });

  test('is found in the discovery of the API server', async () => {
    const { api } = place.space;
    const list = await api.get<{ resources: { name: string }[] }>('/apis/external.metrics.k8s.io/v1beta1');
    expect(list.resources.map(({ name }) => name)).toEqual(['dray_desired_workers']);
    await eventually(
      () => api.get<{ groups: { name: string }[] }>('/apis'),
      ({ groups }) => groups.some(({ name }) => name === 'external.metrics.k8s.io'),
    );
  });

  test('lets in whom the cluster knows, as far as its rules go', async () => {
    const { api, name } = place.space;
    const config = await accountOf(api, 'reader');
    const token = config.getCurrentUser()!.token!;
    const discovery = '/apis/external.metrics.k8s.io/v1beta1';
    const bearer = (one: string) => ({ authorization: `Bearer ${one}` });
    const proxied = { 'x-remote-user': 'system:admin', 'x-remote-group': 'system:masters' };
    expect(await ask(place, place.path)).toMatchObject({
      code: 401,
      body: { kind: 'Status', reason: 'Unauthorized' },
    });
    expect((await ask(place, discovery)).code).toBe(401);
    expect((await ask(place, place.path, proxied)).code).toBe(401);
    expect((await ask(place, place.path, bearer('nobody'))).code).toBe(401);
    expect((await ask(place, place.path, { ...bearer(token), ...proxied })).code).toBe(403);
    expect((await ask(place, discovery, bearer(token))).code).toBe(200);
    expect((await ask(place, '/healthz')).body).toBe('ok');
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${name}`;
    await api.create(`${rbac}/roles`, {
      metadata: { name: 'reader' },
      rules: [
        { apiGroups: ['external.metrics.k8s.io'], resources: ['dray_desired_workers'], verbs: ['list'] },
      ],
    });
    await api.create(`${rbac}/rolebindings`, {
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: name }],
    });
    // What was refused is refused for a few seconds more.
    const answer = await eventually(
      () => ask(place, `${place.path}?labelSelector=pool%3Dgpu`, bearer(token)),
      ({ code }) => code === 200,
    );
    expect(answer.body).toMatchObject({ items: [{ value: '7' }] });
  });

  test('is what an HPA scales by, and does nothing without', async () => {
    const { api, name } = place.space;
    await api.create(`/apis/apps/v1/namespaces/${name}/deployments`, worker);
    await api.create(`/apis/autoscaling/v2/namespaces/${name}/horizontalpodautoscalers`, autoscaler);
    const path = `/apis/autoscaling/v2/namespaces/${name}/horizontalpodautoscalers/worker`;
    const condition = ({ status }: Autoscaler) =>
      status?.conditions?.find(({ type }) => type === 'ScalingActive');
    await eventually(
      () => api.get<Autoscaler>(path),
      ({ status }) => status?.desiredReplicas === 3 && status.currentReplicas === 3,
    );
    place.plans = new Map([['default', { kind: 'unknown', reason: 'no controller has published a plan' }]]);
    const held = await eventually(
      () => api.get<Autoscaler>(path),
      (one) => condition(one)?.status === 'False',
    );
    expect(condition(held)).toMatchObject({ reason: 'FailedGetExternalMetric' });
    expect(condition(held)?.message).toContain('no controller has published a plan');
    expect(held.status?.desiredReplicas).toBe(3);
    place.plans = new Map([['default', known(4)]]);
    await eventually(
      () => api.get<Autoscaler>(path),
      ({ status }) => status?.desiredReplicas === 4,
    );
  });

  test('renews its certificates while it is read', async () => {
    place.plans = new Map([['default', known(5)]]);
    let asked = 0;
    // The first authority, the second beside it, and the second alone.
    while (bundles.size < 3 || served.size < 3) {
      expect((await read()).items).toMatchObject([{ value: '5' }]);
      asked += 1;
      await systemClock.sleep(100);
    }
    expect(asked).toBeGreaterThan(20);
    expect(failure).toBeUndefined();
    const sizes = [...bundles].map((one) => Buffer.from(one, 'base64').toString().split('BEGIN').length - 1);
    expect(new Set(sizes)).toEqual(new Set([1, 2]));
    const { status } = await place.apiService();
    expect(status?.conditions).toMatchObject([{ type: 'Available', status: 'True' }]);
  });
});

const worker = {
  metadata: { name: 'worker' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'worker' } },
    template: {
      metadata: { labels: { app: 'worker' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        securityContext: { runAsNonRoot: true, runAsUser: 1_000, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            name: 'worker',
            image,
            imagePullPolicy: 'IfNotPresent',
            env: [{ name: 'SCRIPT', value: 'exec sleep 3600' }],
            resources: { requests: { cpu: '1m', memory: '4Mi' } },
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          },
        ],
      },
    },
  },
};

const autoscaler = {
  metadata: { name: 'worker' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'worker' },
    minReplicas: 1,
    maxReplicas: 6,
    metrics: [
      {
        type: 'External',
        external: {
          metric: { name: 'dray_desired_workers', selector: { matchLabels: { pool: 'default' } } },
          target: { type: 'AverageValue', averageValue: '1' },
        },
      },
    ],
    behavior: { scaleUp: { stabilizationWindowSeconds: 0 } },
  },
};

/** Directly, not through the API server. */
function ask(place: MetricsPlace, path: string, headers: Record<string, string> = {}) {
  return new Promise<{ code: number; body: unknown; fingerprint: string }>((resolve, reject) => {
    const { port } = place.server.address!;
    // Whose certificate it is, the API server judges in the other tests.
    const options = { host: place.address, port, path, headers, rejectUnauthorized: false, agent: false };
    request(options, (response) => {
      const { socket } = response;
      const fingerprint =
        socket instanceof TLSSocket ? socket.getPeerX509Certificate()!.fingerprint256 : 'none';
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        const json = response.headers['content-type'] === 'application/json';
        resolve({
          code: response.statusCode!,
          body: json ? (JSON.parse(text) as unknown) : text,
          fingerprint,
        });
      });
    })
      .on('error', reject)
      .end();
  });
}
