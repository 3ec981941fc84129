/** The chart's Redis, RabbitMQ and S3 server, their Secrets, and who may reach them, where there is helm. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { idOf } from '../../src/keys/key.js';
import { readKeys } from '../../src/keys/key-file.js';
import { hasHelm, only, refusal, render, variables, type Manifest } from './helm.js';

const servers = ['redis', 'rabbitmq', 's3'] as const;
const secretOf = (manifests: readonly Manifest[], name: string): Readonly<Record<string, string>> =>
  only(manifests, 'Secret', name).stringData!;
const kept = { 'helm.sh/resource-policy': 'keep' };

describe.skipIf(!hasHelm)('the chart’s Secrets', () => {
  it('have passwords that need no quoting, in the addresses too', () => {
    const manifests = render();
    const [redis, rabbitmq] = [secretOf(manifests, 'dray-redis'), secretOf(manifests, 'dray-rabbitmq')];
    expect(redis['password']).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(redis['address']).toBe(`redis://:${redis['password']}@dray-redis:6379`);
    expect(rabbitmq['password']).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(rabbitmq['address']).toBe(`amqp://dray:${rabbitmq['password']}@dray-rabbitmq:5672`);
    expect(secretOf(manifests, 'dray-s3')['AWS_SECRET_ACCESS_KEY']).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(secretOf(render(), 'dray-redis')['password']).not.toBe(redis['password']);
  });

  it('have an API key for people and one that may only read, which the API knows by their hashes', async () => {
    const {
      key,
      'read-key': readKey,
      'keys.json': file,
    } = secretOf(render(), 'dray-api-key') as Record<'key' | 'read-key' | 'keys.json', string>;
    const folder = await mkdtemp(join(tmpdir(), 'dray-keys-'));
    try {
      await writeFile(join(folder, 'keys.json'), file);
      expect(await readKeys(join(folder, 'keys.json'))).toMatchObject([
        { id: idOf(key), scope: 'admin', hash: createHash('sha256').update(key).digest('hex') },
        { id: idOf(readKey), scope: 'read', hash: createHash('sha256').update(readKey).digest('hex') },
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('outlive the release where volumes do, which were made with their passwords', () => {
    const manifests = render({ redis: { persistence: { enabled: false } } });
    expect(only(manifests, 'Secret', 'dray-rabbitmq').metadata.annotations).toEqual(kept);
    expect(only(manifests, 'Secret', 'dray-s3').metadata.annotations).toEqual(kept);
    expect(only(manifests, 'Secret', 'dray-redis').metadata.annotations).toBeUndefined();
  });

  it('are somebody else’s where the values say so', () => {
    const names = (values: object): readonly string[] =>
      render(values).flatMap(({ kind, metadata }) => (kind === 'Secret' ? [metadata.name] : []));
    expect(names({ secrets: { create: false }, autoscaling: { mode: 'off' } })).toEqual([]);
    const external = { enabled: false, external: { existingSecret: 'shared', key: 'redis' } };
    expect(names({ redis: external, apiKeys: { existingSecret: 'keys' } })).not.toContain('dray-redis');
    const [container] = only(render({ redis: external }), 'Deployment', 'dray-api').spec!.template!.spec
      .containers;
    expect(container!.env).toContainEqual({
      name: 'DRAY_STATE',
      valueFrom: { secretKeyRef: { name: 'shared', key: 'redis' } },
    });
  });

  it('let containers into the release’s S3 server, where it is theirs too', () => {
    const containers = { enabled: true, ownS3: true, bucketHosts: ['10.0.0.1:30900', 'elsewhere:9000'] };
    const manifests = render({ containers, s3: { service: { type: 'NodePort', nodePort: 30_900 } } });
    const file = secretOf(manifests, 'dray-buckets')['credentials.json']!;
    const secretKey = secretOf(manifests, 'dray-s3')['AWS_SECRET_ACCESS_KEY'];
    expect(JSON.parse(file)).toEqual({
      'dray-s3:9000': { accessKey: 'dray', secretKey },
      '10.0.0.1:30900': { accessKey: 'dray', secretKey },
    });
    expect(variables(manifests, 'worker-default')).toMatchObject({
      DRAY_BUCKET_HOSTS: 'dray-s3:9000,10.0.0.1:30900,elsewhere:9000',
      DRAY_CONTAINER_SECRET: 'dray-s3',
      DRAY_BUCKET_CREDENTIALS: '/buckets/credentials.json',
    });
  });
});

describe.skipIf(!hasHelm)('the chart’s servers', () => {
  it.each([
    ['1Gi', 644_245_094],
    ['1.5Gi', 966_367_641],
    ['1500M', 900_000_000],
    [1_000_000_000, 600_000_000],
  ])('has RabbitMQ block publishers before it takes the %s that it may have', (memory, watermark) => {
    const manifests = render({ rabbitmq: { resources: { limits: { memory } } } });
    const { 'rabbitmq.conf': file } = only(manifests, 'ConfigMap', 'dray-rabbitmq').data!;
    expect(file).toContain(`\nvm_memory_high_watermark.absolute = ${watermark}\n`);
  });

  it('start with nothing secret among their arguments', () => {
    const manifests = render();
    for (const server of servers) {
      const [container] = only(manifests, 'StatefulSet', `dray-${server}`).spec!.template!.spec.containers;
      const secrets = Object.values(secretOf(manifests, `dray-${server}`)).filter((text) => text.length > 8);
      for (const secret of secrets) expect(JSON.stringify(container)).not.toContain(secret);
    }
  });

  it('are not restarted by a new version of Dray', () => {
    const podsOf = (tag: string): readonly unknown[] =>
      ['redis', 'rabbitmq'].map(
        (server) => only(render({ image: { tag } }), 'StatefulSet', `dray-${server}`).spec,
      );
    expect(podsOf('2')).toEqual(podsOf('1'));
    expect(JSON.stringify(podsOf('1'))).not.toMatch(/helm.sh\/chart|kubernetes.io\/version/);
  });

  it.each([
    [{ redis: { enabled: false } }, 'redis.enabled is false: name the Secret'],
    [{ rabbitmq: { external: { existingSecret: 'a' } } }, 'rabbitmq.enabled is true'],
    [{ s3: { enabled: false } }, 'give s3.external.address'],
    [{ s3: { enabled: false, external: { address: 's3://a' } } }, 's3.external.existingSecret is empty'],
    [{ s3: { external: { address: 's3://a' } } }, 's3.enabled is true'],
    [{ containers: { ownS3: true, namespace: 'elsewhere' } }, 'leave out containers.namespace'],
    [{ containers: { ownS3: true, existingSecret: 'a' } }, 'leave out containers.existingSecret'],
    [{ rabbitmq: { resources: { limits: { memory: '1E' } } } }, '1E is no size of memory'],
  ])('are not half given: %j', (values, message) => {
    expect(refusal(values)).toContain(message);
  });
});

type Labels = Readonly<Record<string, string>>;
interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly { readonly key: string; readonly values: readonly string[] }[];
}
const selects = ({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, values }) => values.includes(labels[key] ?? ''));

describe.skipIf(!hasHelm)('the chart’s network policies', () => {
  /** Of which components pods of the namespace may call the server, on what port. */
  function callers(manifests: readonly Manifest[], server: string): readonly string[] {
    const { ingress } = only(manifests, 'NetworkPolicy', `dray-${server}`).spec as unknown as {
      // `from`, as the reader of YAML calls it.
      ingress: readonly {
        ports: readonly { port: number }[];
        _from?: readonly { podSelector: Selector }[];
      }[];
    };
    const others = { stranger: { app: 'other' }, container: { 'app.kubernetes.io/managed-by': 'dray' } };
    const own = [
      'api',
      'controller',
      'worker',
      'models',
      'loadtest-worker',
      'redis',
      's3-bucket',
      'test',
    ].map((component): [string, Labels] => [
      component,
      {
        'app.kubernetes.io/name': 'dray',
        'app.kubernetes.io/instance': 'dray',
        'app.kubernetes.io/component': component,
      },
    ]);
    return [...own, ...Object.entries<Labels>(others)].flatMap(([name, labels]) =>
      ingress.some(({ _from: from }) => !from || from.some(({ podSelector }) => selects(podSelector, labels)))
        ? [name]
        : [],
    );
  }
  const dray = ['api', 'controller', 'worker', 's3-bucket'];

  it.each(servers)('let Dray alone reach %s', (server) => {
    expect(callers(render(), server)).toEqual(dray);
  });

  it('let containers reach the S3 server that is theirs too', () => {
    const containers = { enabled: true, ownS3: true };
    expect(callers(render({ containers }), 's3')).toEqual([...dray, 'container']);
    expect(callers(render({ containers }), 'redis')).toEqual(dray);
  });

  it('let workers that run containers call Kubernetes, where its address is given', () => {
    const to = { ipBlock: { cidr: '192.0.2.1/32' } };
    const manifests = render({ containers: { enabled: true }, networkPolicy: { workerTo: [to] } });
    const { egress } = only(manifests, 'NetworkPolicy', 'dray-worker').spec as unknown as { egress: unknown };
    expect(egress).toContainEqual({ to: [to] });
  });

  it('let everybody reach what has a port outside', () => {
    const manifests = render({}, { files: ['values-mstc.yaml'] });
    expect(callers(manifests, 'rabbitmq')).toContain('stranger');
    expect(callers(manifests, 's3')).toContain('stranger');
    expect(callers(manifests, 'redis')).not.toContain('stranger');
  });

  it('are about pods that there are', () => {
    const manifests = render({
      options: { openDoors: true },
      models: { enabled: true, volume: { emptyDir: {} } },
      tensorflowServing: { enabled: true },
      loadtest: { enabled: true },
    });
    const pods = manifests.flatMap(({ spec }) =>
      spec?.template ? [(spec.template.metadata as { labels?: Labels }).labels ?? {}] : [],
    );
    for (const { metadata, spec } of manifests.filter(({ kind }) => kind === 'NetworkPolicy')) {
      const { podSelector } = spec as unknown as { podSelector: Selector };
      expect(pods.filter((labels) => selects(podSelector, labels)).length, metadata.name).toBeGreaterThan(0);
    }
  });
});

describe.skipIf(!hasHelm)('the values for clients of others', () => {
  it('give MSTC’s clients three ports on each node, and its worker the right to run Jobs', () => {
    const manifests = render({}, { files: ['values-mstc.yaml'] });
    for (const [name, nodePort] of [
      ['api', 30_080],
      ['rabbitmq', 30_672],
      ['s3', 30_900],
    ] as const)
      expect(only(manifests, 'Service', `dray-${name}`).spec).toMatchObject({
        type: 'NodePort',
        ports: [{ nodePort }],
      });
    expect(only(manifests, 'RoleBinding', 'dray-containers')).toMatchObject({
      metadata: { namespace: 'space' },
      subjects: [{ kind: 'ServiceAccount', name: 'dray-worker', namespace: 'space' }],
    });
    expect(variables(manifests, 'api')).toMatchObject({
      DRAY_OPEN_DOORS: 'true',
      DRAY_CONTAINER_NAMESPACE: 'space',
      DRAY_CONTAINER_IMAGES: 'docker.io/mstc/*',
    });
  });

  it('give Celsiusify’s clients their Service, of 1 to 5 pods at half of their CPU', () => {
    const manifests = render({}, { files: ['values-celsiusify.yaml'] });
    expect(only(manifests, 'Service', 'celsiusify').spec).toMatchObject({
      type: 'ClusterIP',
      ports: [{ port: 8_080, targetPort: 'http' }],
    });
    expect(only(manifests, 'HorizontalPodAutoscaler', 'dray-api').spec).toMatchObject({
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [{ resource: { name: 'cpu', target: { averageUtilization: 50 } } }],
    });
    expect(variables(manifests, 'api')['DRAY_PORT']).toBe('80');
  });
});
