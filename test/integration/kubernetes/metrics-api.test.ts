import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import type { PoolPlans, ScalingPlan } from '../../../src/jobs/scaling.js';
import {
  issueCertificate,
  makeAuthority,
  type KeyedCertificate,
} from '../../../src/kubernetes/metrics-api/certificates.js';
import { writeCertificates } from '../../../src/kubernetes/metrics-api/certificate-secret.js';
import { MetricsApi } from '../../../src/kubernetes/metrics-api/server.js';
import { KubernetesStandIn, type Json } from '../../support/kubernetes-api.js';

const clock = systemClock;
const secretPath = '/api/v1/namespaces/here/secrets/tls';
const rulesPath = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
const tokens = '/apis/authentication.k8s.io/v1/tokenreviews';
const accesses = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
const discovery = '/apis/external.metrics.k8s.io/v1beta1';
const metric = `${discovery}/namespaces/here/dray_desired_workers`;
const forMs = 3_600_000;
const known = (desired: number): ScalingPlan => ({ kind: 'known', desired }) as ScalingPlan;
const make = async (name: string, authority: KeyedCertificate): Promise<KeyedCertificate> =>
  issueCertificate({ authority, names: [name], forMs, clock, use: 'client' });

// Keys take a while to make: once for all tests.
const own = await makeAuthority({ forMs, clock });
const serving = await issueCertificate({ authority: own, names: ['metrics.here.svc'], forMs, clock });
const proxies = await makeAuthority({ forMs, clock });
const proxy = await make('front-proxy', proxies);
const impostor = await make('somebody', proxies);
const strangers = await makeAuthority({ forMs, clock });
const stranger = await make('front-proxy', strangers);

let cluster: KubernetesStandIn;
let server: MetricsApi;
let plans: () => Promise<PoolPlans>;
let reviewed: Json[];

beforeEach(async () => {
  cluster = new KubernetesStandIn();
  await cluster.start();
  const api = cluster.api(clock);
  cluster.put(secretPath, {});
  await writeCertificates(api, 'tls', {
    ...{ authorities: [own.cert], authorityKey: own.key, serving },
    resourceVersion: '1',
  });
  setRules({});
  reviewed = [];
  cluster.reviews.set(tokens, ({ spec }) => {
    const { token } = spec as { token: string };
    const user = { username: `${token}@here`, groups: ['of-tokens'] };
    return { status: token.startsWith('good') ? { authenticated: true, user } : { authenticated: false } };
  });
  cluster.reviews.set(accesses, ({ spec }) => {
    reviewed.push(spec as Json);
    return { status: { allowed: !(spec as { user: string }).user.includes('poor') } };
  });
  plans = () => Promise.resolve(new Map([['default', known(4)]]));
  server = new MetricsApi({
    ...{ api, secret: 'tls', host: '127.0.0.1', port: 0, clock, plans: () => plans() },
    log: { info: () => undefined, warn: () => undefined },
  });
  await server.refresh();
});
afterEach(async () => {
  await server.stop();
  await cluster.stop();
});

function setRules(change: Record<string, string>): void {
  cluster.put(rulesPath, {
    data: {
      'requestheader-client-ca-file': proxies.cert,
      'requestheader-allowed-names': '["front-proxy"]',
      'requestheader-username-headers': '["X-Remote-User"]',
      'requestheader-group-headers': '["X-Remote-Group"]',
      'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
      ...change,
    },
  });
}

type Heads = Record<string, string | string[]>;
const headers: Heads = { 'X-Remote-User': 'hpa', 'X-Remote-Group': ['system:authenticated', 'a,b'] };
const bearer = (token: string): Heads => ({ authorization: `Bearer ${token}` });

async function ask(
  path: string,
  params: { headers?: Heads; by?: KeyedCertificate; method?: string; socket?: TLSSocket } = {},
): Promise<{ code: number; body: Json }> {
  const { by, method = 'GET', socket } = params;
  const sending = request({
    ...{ host: '127.0.0.1', port: server.address!.port, servername: 'metrics.here.svc', ca: own.cert },
    ...{ path, method, headers: params.headers ?? {}, ...by },
    ...(socket ? { createConnection: () => socket } : { agent: false }),
  }).end();
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const json = response.headers['content-type'] === 'application/json';
  return { code: response.statusCode!, body: json ? (JSON.parse(text) as Json) : { text } };
}

async function dial(options: ConnectionOptions): Promise<TLSSocket> {
  const { port } = server.address!;
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'metrics.here.svc',
    ca: own.cert,
    ...options,
  });
  await once(socket, 'secureConnect');
  return socket;
}

describe('the metrics API', () => {
  test('answers whom the API server passes on, by his own rights', async () => {
    const { code, body } = await ask(metric, {
      by: proxy,
      headers: { ...headers, 'X-Remote-Extra-Acme%2fTeam': 'x' },
    });
    expect(code).toBe(200);
    expect(body).toMatchObject({
      kind: 'ExternalMetricValueList',
      items: [{ metricName: 'dray_desired_workers', metricLabels: { pool: 'default' }, value: '4' }],
    });
    expect(reviewed).toEqual([
      {
        user: 'hpa',
        groups: ['system:authenticated', 'a,b'],
        extra: { 'acme/team': ['x'] },
        resourceAttributes: {
          namespace: 'here',
          verb: 'list',
          group: 'external.metrics.k8s.io',
          version: 'v1beta1',
          resource: 'dray_desired_workers',
        },
      },
    ]);
    expect(await ask(metric, { by: proxy, headers: { 'X-Remote-User': 'poor' } })).toMatchObject({
      code: 403,
      body: { kind: 'Status', status: 'Failure', reason: 'Forbidden', code: 403 },
    });
  });

  test('answers a token by the rights of whose it is', async () => {
    expect((await ask(metric, { headers: bearer('good') })).code).toBe(200);
    expect(reviewed).toMatchObject([{ user: 'good@here', groups: ['of-tokens', 'system:authenticated'] }]);
    expect((await ask(metric, { headers: bearer('good-but-poor') })).code).toBe(403);
    expect((await ask(metric, { headers: bearer('bad') })).code).toBe(401);
  });

  test('asks about one who comes again once in a while', async () => {
    for (let time = 0; time < 5; time += 1) await ask(metric, { headers: bearer('good') });
    for (const path of [tokens, accesses])
      expect(cluster.asked.filter((one) => one === `POST ${path}`)).toHaveLength(1);
  });

  test('lets nobody in by what he says of himself', async () => {
    const attempts = [
      {},
      { headers },
      { headers, by: impostor },
      { headers, by: stranger },
      { by: proxy },
      { headers: { ...headers, ...bearer('bad') } },
      { headers: { authorization: 'Basic Z29vZDpnb29k' } },
      { headers: { 'X-Remote-Group': 'system:masters' }, by: proxy },
    ];
    for (const attempt of attempts) {
      for (const path of [metric, discovery, '/apis', '/nowhere']) {
        expect(await ask(path, attempt)).toMatchObject({ code: 401, body: { reason: 'Unauthorized' } });
      }
    }
    expect(reviewed).toEqual([]);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'takes no session for a certificate that is taken up again without one: %s',
    async (version) => {
      setRules({ 'requestheader-allowed-names': '[]' });
      await server.refresh();
      const options = { minVersion: version, maxVersion: version };
      const first = await dial(options);
      const session = once(first, 'session') as Promise<[Buffer]>;
      expect((await ask(metric, { headers, socket: first })).code).toBe(401);
      const [ticket] = version === 'TLSv1.3' ? await session : [first.getSession()!];
      first.destroy();
      const second = await dial({ ...options, session: ticket });
      expect(second.isSessionReused()).toBe(true);
      expect((await ask(metric, { headers, socket: second })).code).toBe(401);
      expect((await ask(metric, { headers, by: impostor })).code).toBe(200); // any name, of theirs
    },
  );

  test('goes by other rules as soon as it has read them', async () => {
    const socket = await dial(proxy);
    expect((await ask(metric, { headers: { ...headers, connection: 'keep-alive' }, socket })).code).toBe(200);
    const gone = once(socket, 'close');
    setRules({
      'requestheader-client-ca-file': strangers.cert,
      'requestheader-username-headers': '["X-User"]',
    });
    await server.refresh();
    await gone;
    expect((await ask(metric, { headers, by: proxy })).code).toBe(401);
    expect((await ask(metric, { headers, by: stranger })).code).toBe(401);
    expect((await ask(metric, { headers: { 'X-User': 'hpa' }, by: stranger })).code).toBe(200);
  });

  test('takes tokens alone in a cluster that names no proxies', async () => {
    cluster.put(rulesPath, { data: {} });
    await server.refresh();
    expect((await ask(metric, { headers, by: proxy })).code).toBe(401);
    expect((await ask(metric, { headers: bearer('good') })).code).toBe(200);
  });

  test('serves another certificate without a new start', async () => {
    const fresh = await issueCertificate({ authority: own, names: ['metrics.here.svc'], forMs, clock });
    const before = await dial({});
    const api = cluster.api(clock);
    await writeCertificates(api, 'tls', {
      ...{ authorities: [own.cert], authorityKey: own.key, serving: fresh },
      resourceVersion: '2',
    });
    await server.refresh();
    const after = await dial({});
    const print = (socket: TLSSocket) => socket.getPeerX509Certificate()!.fingerprint256;
    expect(print(after)).not.toBe(print(before));
    before.destroy();
    after.destroy();
  });

  test('lets nobody in while the API server does not say who it is', async () => {
    cluster.refuse = (asked) => (asked === `POST ${accesses}` ? 500 : undefined);
    expect(await ask(metric, { headers: bearer('good') })).toMatchObject({
      code: 503,
      body: { reason: 'ServiceUnavailable' },
    });
    cluster.refuse = (asked) => (asked === `POST ${tokens}` ? 403 : undefined);
    const { code, body } = await ask(metric, { headers: bearer('good too') });
    expect(code).toBe(401); // no token has a blank
    expect(body['reason']).toBe('Unauthorized');
    expect((await ask(metric, { headers: bearer('good-too') })).body['message']).toMatch(
      /system:auth-delegator/,
    );
    cluster.refuse = undefined;
    expect((await ask(metric, { headers: bearer('good') })).code).toBe(200);
  });

  test('has no figure rather than a wrong one', async () => {
    const headers = bearer('good');
    const read = (selector: string) =>
      ask(`${metric}?labelSelector=${encodeURIComponent(selector)}`, { headers });
    plans = () =>
      Promise.resolve(
        new Map<string, ScalingPlan>([
          ['default', known(0)],
          ['gpu', { kind: 'unknown', reason: 'Redis is away' }],
        ]),
      );
    expect((await read('pool=default')).body).toMatchObject({ items: [{ value: '0' }] });
    for (const selector of ['pool=gpu', '', 'pool in (default,gpu)']) {
      expect(await read(selector)).toMatchObject({ code: 503, body: { message: /Redis is away/ } });
    }
    expect(await read('pool=cpu')).toMatchObject({ code: 404, body: { reason: 'NotFound' } });
    expect(await read('pool in')).toMatchObject({ code: 400, body: { reason: 'BadRequest' } });
    plans = () => Promise.reject(new Error('Redis is gone'));
    expect(await read('pool=default')).toMatchObject({ code: 503 });
  });

  test('tells what it has, and is well, as other API servers do', async () => {
    const headers = bearer('good');
    for (const path of ['/healthz', '/livez', '/readyz'])
      expect((await ask(path)).body).toEqual({ text: 'ok' });
    expect((await ask('/apis', { headers })).body).toMatchObject({
      kind: 'APIGroupList',
      groups: [{ name: 'external.metrics.k8s.io' }],
    });
    expect((await ask('/apis/external.metrics.k8s.io', { headers })).body).toMatchObject({
      kind: 'APIGroup',
    });
    expect((await ask(discovery, { headers })).body).toMatchObject({
      kind: 'APIResourceList',
      resources: [{ name: 'dray_desired_workers', namespaced: true }],
    });
    for (const path of ['/openapi/v2', '/apis/constructor', '/toString', metric.replace('here', 'there')]) {
      expect(await ask(path, { headers })).toMatchObject({ code: 404, body: { kind: 'Status' } });
    }
    expect((await ask(discovery, { headers, method: 'DELETE' })).code).toBe(405);
    const anonymous = { 'X-Remote-User': 'system:anonymous', 'X-Remote-Group': 'system:unauthenticated' };
    expect((await ask(discovery, { by: proxy, headers: anonymous })).code).toBe(403);
  });
});
