import { X509Certificate } from 'node:crypto';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import {
  apiServicePath,
  CertificateKeeper,
  type ApiService,
} from '../../../src/kubernetes/metrics-api/certificate-keeper.js';
import type { Lifetimes } from '../../../src/kubernetes/metrics-api/certificate-plan.js';
import { readCertificates } from '../../../src/kubernetes/metrics-api/certificate-secret.js';
import { KubernetesStandIn } from '../../support/kubernetes-api.js';
import { ManualClock } from '../../support/manual-clock.js';

const day = 24 * 3_600_000;
const secretPath = '/api/v1/namespaces/here/secrets/tls';
const host = 'metrics.here.svc';
const lifetimes: Lifetimes = { authorityMs: 24 * day, servingMs: 9 * day, overlapMs: 600_000 };

let cluster: KubernetesStandIn;
let clock: ManualClock;
let said: string[];

beforeEach(async () => {
  cluster = new KubernetesStandIn();
  await cluster.start();
  clock = new ManualClock();
  said = [];
  cluster.put(secretPath, {});
  cluster.put(apiServicePath, { spec: { service: { name: 'metrics', namespace: 'here' } } });
});
afterEach(() => cluster.stop());

function keeper(service = 'metrics'): CertificateKeeper {
  const log = {
    info: () => undefined,
    warn: (message: string, of: object = {}) => said.push(message + JSON.stringify(of)),
  };
  return new CertificateKeeper({ api: cluster.api(clock), secret: 'tls', service, clock, log, lifetimes });
}

const stored = () => readCertificates(cluster.api(clock), 'tls');
const bundle = () =>
  Buffer.from(
    (cluster.objects.get(apiServicePath) as unknown as ApiService).spec?.caBundle ?? '',
    'base64',
  ).toString();
const known = () => bundle().match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [];

describe('the certificates of the metrics API', () => {
  test('are made into an empty Secret, for the names of the Service', async () => {
    await keeper().keep();
    const { authorities, serving } = await stored();
    expect(authorities).toHaveLength(1);
    const leaf = new X509Certificate(serving!.cert);
    expect(leaf.checkHost(host)).toBe(host);
    expect(leaf.checkHost('other.here.svc')).toBeUndefined();
    expect(leaf.verify(new X509Certificate(authorities[0]!).publicKey)).toBe(true);
    expect(new X509Certificate(authorities[0]!).ca).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(known()).toHaveLength(1);
  });

  test('are what a client of TLS takes, which knows the bundle', async () => {
    const real = new CertificateKeeper({
      api: cluster.api(systemClock),
      ...{ secret: 'tls', service: 'metrics', clock: systemClock },
      log: { info: () => undefined, warn: () => undefined },
    });
    await real.keep();
    const server = createServer({ ...(await stored()).serving }, (socket) => socket.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const dial = async (servername: string, ca: string): Promise<TLSSocket> => {
      const socket = connect({ port, host: '127.0.0.1', servername, ca });
      await once(socket, 'secureConnect');
      return socket;
    };
    expect((await dial(host, bundle())).authorized).toBe(true);
    await expect(dial('other.here.svc', bundle())).rejects.toThrow(/does not match/);
    server.close();
  });

  test('stay as they are while nothing is due', async () => {
    await keeper().keep();
    const before = await stored();
    clock.advance(5 * day);
    const writes = cluster.asked.filter((one) => one.startsWith('PATCH')).length;
    await keeper().keep();
    expect(await stored()).toEqual(before);
    expect(cluster.asked.filter((one) => one.startsWith('PATCH'))).toHaveLength(writes);
  });

  test('are never older than they may be, and always known, for as long as it runs', async () => {
    const served = new Set<string>();
    const authorities = new Set<string>();
    let most = 0;
    const one = keeper();
    await one.keep();
    for (let days = 0; days < 100; days += 1) {
      const { serving } = await stored();
      const leaf = new X509Certificate(serving!.cert);
      clock.advance(day);
      // What is served until the next look must hold until then, and must be known.
      expect(Date.parse(leaf.validTo)).toBeGreaterThan(clock.now());
      const issuers = known().map((pem) => new X509Certificate(pem));
      const issuer = issuers.find(({ publicKey }) => leaf.verify(publicKey));
      expect(issuer, 'the one by which it is signed').toBeDefined();
      expect(Date.parse(issuer!.validTo)).toBeGreaterThan(clock.now());
      served.add(leaf.fingerprint256);
      for (const { fingerprint256 } of issuers) authorities.add(fingerprint256);
      most = Math.max(most, issuers.length);
      await one.keep();
    }
    expect(served.size).toBeGreaterThanOrEqual(100 / 9);
    expect(authorities.size).toBeGreaterThanOrEqual(100 / 24);
    expect(most).toBe(2);
    expect(said).toEqual([]);
  });

  test('are signed by a new authority only when it has been known for a while', async () => {
    const one = keeper();
    const isBy = async (index: number): Promise<boolean> => {
      const { authorities, serving } = await stored();
      return new X509Certificate(serving!.cert).verify(new X509Certificate(authorities[index]!).publicKey);
    };
    await one.keep();
    for (let days = 0; days < 15; days += 5) {
      clock.advance(5 * day);
      await one.keep();
    }
    const [first] = (await stored()).authorities;
    clock.advance(1.5 * day);
    await one.keep();
    expect((await stored()).authorities).toHaveLength(2);
    expect((await stored()).authorities[1]).toBe(first);
    expect(known()).toHaveLength(2);
    expect(await isBy(1)).toBe(true);
    clock.advance(lifetimes.overlapMs - 2_000);
    await one.keep();
    expect(await isBy(1)).toBe(true);
    clock.advance(3_000);
    await one.keep();
    expect(await isBy(0)).toBe(true);
    expect(known()).toHaveLength(2);
  });

  test('wait for the API server where it cannot be told of a new authority', async () => {
    const one = keeper();
    await one.keep();
    for (let days = 0; days < 15; days += 5) {
      clock.advance(5 * day);
      await one.keep();
    }
    cluster.refuse = (request) => (request === `PATCH ${apiServicePath}` ? 403 : undefined);
    clock.advance(1.5 * day);
    await expect(one.keep()).rejects.toThrow(/403/);
    clock.advance(day);
    await expect(one.keep()).rejects.toThrow(/403/);
    const { authorities, serving } = await stored();
    expect(authorities).toHaveLength(2);
    const leaf = new X509Certificate(serving!.cert);
    expect(leaf.verify(new X509Certificate(authorities[1]!).publicKey)).toBe(true);
    cluster.refuse = undefined;
    await one.keep();
    const next = new X509Certificate((await stored()).serving!.cert);
    expect(next.verify(new X509Certificate(authorities[0]!).publicKey)).toBe(true);
  });

  test('are made anew where they are damaged, or for another name', async () => {
    await keeper().keep();
    const first = await stored();
    cluster.put(secretPath, {
      data: { ...(cluster.objects.get(secretPath)!['data'] as object), 'tls.key': 'eA==' },
    });
    await keeper().keep();
    const second = await stored();
    expect(second.serving).not.toEqual(first.serving);
    expect(second.authorities).toEqual(first.authorities);
    cluster.put(apiServicePath, { spec: { service: { name: 'renamed', namespace: 'here' } } });
    await keeper('renamed').keep();
    expect(new X509Certificate((await stored()).serving!.cert).checkHost('renamed.here.svc')).toBeDefined();
  });

  test('are made once by two leaders at a time', async () => {
    await Promise.all([keeper().keep(), keeper().keep()]);
    await keeper().keep();
    expect((await stored()).authorities).toHaveLength(1);
    expect(known()).toEqual((await stored()).authorities.map((pem) => pem.trimEnd()));
  });

  test('are told to no APIService of somebody else, which is said once', async () => {
    cluster.put(apiServicePath, { spec: { service: { name: 'keda-metrics-apiserver', namespace: 'keda' } } });
    const one = keeper();
    await one.keep();
    await one.keep();
    expect(known()).toEqual([]);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('keda-metrics-apiserver in namespace keda');
    cluster.put(apiServicePath, { spec: { service: { name: 'metrics', namespace: 'here' } } });
    await one.keep();
    expect(known()).toHaveLength(1);
    cluster.objects.delete(apiServicePath);
    await one.keep();
    expect(said[1]).toContain('there is no v1beta1.external.metrics.k8s.io');
  });
});
