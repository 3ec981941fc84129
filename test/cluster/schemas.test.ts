/** Whatever the chart may be told, what it renders fits the schemas of the kinds, of which the cluster has most. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folder as plainManifests } from '../../scripts/chart/manifests.mjs';
import { manifestReader } from '../../scripts/services/tools.mjs';
import { renderText } from '../chart/helm.js';
import { noChart, run } from './programs.js';
import { hasDefinitions, schemaLocation, writeSchemas } from './schemas.js';

const kubeconform = existsSync(manifestReader) ? manifestReader : 'kubeconform';

const skipped = ((): boolean => {
  if (noChart !== undefined) return true;
  if (hasDefinitions && !spawnSync(kubeconform, ['-v']).error) return false;
  const reason = 'kubeconform, or what it compares with, is missing: node scripts/setup.mjs --kubernetes';
  if (process.env['CI'] !== undefined) throw new Error(reason);
  console.warn(`skipped: ${reason}`);
  return true;
})();

const modes = ['metrics-api', 'prometheus', 'keda', 'cpu', 'off'];
const external = {
  apiKeys: { existingSecret: 'keys' },
  redis: { enabled: false, external: { existingSecret: 'redis' } },
  rabbitmq: { enabled: false, external: { existingSecret: 'rabbitmq', key: 'url' } },
  s3: { enabled: false, external: { address: 's3://bucket?endpoint=https://host', existingSecret: 's3' } },
};
const containers = { enabled: true, images: ['docker.io/mstc/*'], bucketHosts: ['minio:9000'] };
/** What may be told apart from the mode and the servers. */
const more: Readonly<Record<string, object>> = {
  plain: {},
  containers: {
    containers: {
      ...containers,
      namespace: 'work',
      serviceAccount: 'work',
      existingSecret: 'buckets',
      bucketCredentialsSecret: 'listing',
    },
  },
  ingress: {
    api: {
      ingress: {
        enabled: true,
        className: 'nginx',
        host: 'dray.example',
        tlsSecret: 'tls',
        annotations: { a: 'b' },
      },
      service: { type: 'NodePort', nodePort: 30_080, annotations: { a: 'b' } },
      extraServices: [{ name: 'other', port: 80, nodePort: 30_081, type: 'NodePort' }],
    },
    metrics: { serviceMonitor: { enabled: true, labels: { release: 'prometheus' } } },
  },
  pools: {
    workers: {
      defaults: { tolerations: [{ key: 'gpu', operator: 'Exists' }], nodeSelector: { disk: 'fast' } },
      pools: {
        gpu: {
          types: ['score'],
          min: 1,
          max: 5,
          options: { containerSlots: 5 },
          env: [{ name: 'A', value: 'b' }],
        },
      },
    },
    autoscaling: { tolerance: '0.02' },
    image: { registry: 'registry.example/team', pullSecrets: [{ name: 'registry' }] },
    env: [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }],
  },
  'one of each': {
    api: { replicas: 1, autoscaling: { enabled: false }, podAnnotations: { a: 'b' } },
    controller: { replicas: 1, affinity: { podAntiAffinity: {} } },
    networkPolicy: {
      apiFrom: [{ podSelector: {} }],
      workerTo: [{ ipBlock: { cidr: '0.0.0.0/0' } }],
      metricsFrom: [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }],
    },
    serviceAccount: { annotations: { role: 'dray' } },
  },
  models: {
    options: { openDoors: true },
    models: {
      enabled: true,
      inApi: true,
      volume: { persistentVolumeClaim: { claimName: 'models', readOnly: true } },
      options: { modelThreads: 2 },
      service: { type: 'NodePort', nodePort: 30_501 },
    },
    tensorflowServing: {
      enabled: true,
      image: 'docker.io/tensorflow/serving:2.20.0',
      volume: { configMap: { name: 'models', items: [{ key: 'a', path: 'celsiusify/1/saved_model.pb' }] } },
      args: ['--enable_batching=true'],
      service: { grpcNodePort: 30_500, type: 'NodePort', nodePort: 30_502, annotations: { a: 'b' } },
    },
    loadtest: { enabled: true, autostart: true, env: [{ name: 'MATRIX_A_SIZE', value: '10' }] },
    metrics: { serviceMonitor: { enabled: true } },
  },
  'one of each model server': {
    models: {
      enabled: true,
      volume: { image: { reference: 'registry.example/models:1' } },
      replicas: 1,
      autoscaling: { enabled: false },
      podAnnotations: { a: 'b' },
      env: [{ name: 'A', value: 'b' }],
    },
    tensorflowServing: { enabled: true, replicas: 1, autoscaling: { enabled: false } },
    loadtest: {
      enabled: true,
      host: 'http://dray-tf-serving:8501',
      classes: ['PredictUser'],
      tolerations: [{ key: 'load', operator: 'Exists' }],
    },
    networkPolicy: { apiFrom: [{ podSelector: {} }] },
    image: { pullSecrets: [{ name: 'registry' }] },
  },
  'without policies': { networkPolicy: { enabled: false }, secrets: { create: false } },
};
/** Only where the servers are the release's. */
const ofOwnServers: Readonly<Record<string, object>> = {
  ephemeral: {
    redis: { persistence: { enabled: false } },
    rabbitmq: { persistence: { enabled: false }, service: { type: 'LoadBalancer' } },
    s3: { persistence: { enabled: false }, service: { type: 'NodePort', nodePort: 30_900 } },
  },
  'containers with its buckets': { containers: { ...containers, ownS3: true } },
  'other volumes': { redis: { persistence: { storageClass: 'fast', size: '1.5Gi' } } },
};

describe.skipIf(skipped)('the chart', () => {
  let folder: string;
  let schemas: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-manifests-'));
    schemas = join(folder, 'schemas');
    await writeSchemas(schemas);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** @returns how many objects there are. @throws Error with what kubeconform says of each that is wrong. */
  async function judge(place: string): Promise<number> {
    const args = ['-strict', '-summary', '-schema-location', schemaLocation(schemas), place];
    const answer = await run(kubeconform, args);
    return Number(/Valid: (\d+)/.exec(answer)![1]);
  }

  async function written(name: string, files: Readonly<Record<string, string>>): Promise<string> {
    const place = join(folder, name);
    await mkdir(place);
    for (const [file, text] of Object.entries(files))
      await writeFile(join(place, `${file.replaceAll(' ', '-')}.yaml`), text);
    return place;
  }

  it.each(modes)('renders what Kubernetes takes in the mode %s', async (mode) => {
    const inMode = (values: object): object => {
      const { autoscaling } = values as { readonly autoscaling?: object };
      return { ...values, autoscaling: { ...autoscaling, mode } };
    };
    const files = Object.fromEntries([
      ...Object.entries({ ...more, ...ofOwnServers }).map(([name, values]) => [
        `own servers, ${name}`,
        renderText(inMode(values)),
      ]),
      ...Object.entries(more).map(([name, values]) => [
        `external servers, ${name}`,
        renderText(inMode({ ...external, ...values })),
      ]),
      ...['values-mstc.yaml', 'values-celsiusify.yaml'].map((file) => [
        file,
        renderText(inMode({}), { files: [file], release: 'team' }),
      ]),
    ]) as Record<string, string>;
    expect(await judge(await written(mode, files))).toBeGreaterThan(Object.keys(files).length * 15);
  });

  it('is made of manifests that Kubernetes takes without helm', async () => {
    const place = join(folder, 'plain');
    await cp(plainManifests, place, { recursive: true, filter: (path) => !path.endsWith('.md') });
    expect(await judge(place)).toBeGreaterThan(20);
  });

  it.each([
    ['a misspelt key', 'spec: { ports: [{ port: 80 }], selektor: {} }'],
    ['a text for a number', "spec: { ports: [{ port: 80, nodePort: 'a' }] }"],
  ])('would be told of %s', async (what, spec) => {
    const text = `apiVersion: v1\nkind: Service\nmetadata: { name: a }\n${spec}\n`;
    await expect(judge(await written(what, { service: text }))).rejects.toThrow(/Service a is invalid/);
  });
});
