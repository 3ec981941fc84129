/**
 * Prometheus and prometheus-adapter in a release's namespace, as its operator would run them: what is scraped is what
 * the chart's ServiceMonitor selects, what becomes a metric of Kubernetes is by deploy/prometheus/adapter-values.yaml.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAllYaml, loadYaml } from '@kubernetes/client-node';
import { root } from '../support/sources.js';
import { eventually } from '../support/eventually.js';
import { run } from './programs.js';
import { prometheusImages } from './prometheus-images.js';
import { chart, type Release } from './release.js';

interface ServiceMonitor {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly endpoints: readonly {
      readonly port: string;
      readonly path: string;
      readonly interval: string;
      /** Names the key of a Secret. */
      readonly authorization?: object;
    }[];
  };
}

/** Of a program of one pod. */
interface Program {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly ready: { readonly path: string; readonly scheme: 'HTTP' | 'HTTPS' };
  /** Files in /config. */
  readonly config: Readonly<Record<string, string>>;
}

export class TestPrometheus {
  readonly #release: Release;
  /** All that it consists of, as a manifest. */
  #list: string | undefined;

  constructor(release: Release) {
    this.#release = release;
  }

  /** Resolves once the cluster has the figure. */
  async start(): Promise<void> {
    const { namespace, space } = this.#release;
    const items = await objectsOf(this.#release);
    this.#list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await run('kubectl', ['apply', '--filename', '-'], { input: this.#list });
    await this.#release.untilReady();
    const figure = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespace}/dray_desired_workers`;
    await eventually(
      () => space.api.get<{ items: object[] }>(figure).catch(() => ({ items: [] })),
      ({ items: found }) => found.length > 0,
    );
  }

  /** Whether it has started or not: an APIService that leads nowhere holds up the end of every namespace. */
  async close(): Promise<void> {
    if (this.#list === undefined) return;
    await run('kubectl', ['delete', '--ignore-not-found', '--filename', '-'], { input: this.#list });
  }
}

async function objectsOf(release: Release): Promise<readonly object[]> {
  const { namespace } = release;
  const [images, monitors] = await Promise.all([prometheusImages(), renderedMonitors(release)]);
  return [
    ...program(namespace, {
      name: 'prometheus',
      image: images.prometheus,
      args: ['--config.file=/config/prometheus.json', '--storage.tsdb.path=/tmp/data'],
      port: 9090,
      ready: { path: '/-/ready', scheme: 'HTTP' },
      config: { 'prometheus.json': JSON.stringify(await scraping(monitors, release)) },
    }),
    ...program(namespace, {
      name: 'adapter',
      image: images['prometheus-adapter'],
      args: [
        ...['--config=/config/adapter.json', '--secure-port=6443', '--cert-dir=/tmp'],
        ...['--prometheus-url=http://prometheus:9090', '--metrics-relist-interval=5s'],
      ],
      port: 6443,
      ready: { path: '/readyz', scheme: 'HTTPS' },
      config: { 'adapter.json': JSON.stringify({ externalRules: externalRules() }) },
    }),
    ...rights(namespace),
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.external.metrics.k8s.io' },
      spec: {
        ...{
          group: 'external.metrics.k8s.io',
          version: 'v1beta1',
          groupPriorityMinimum: 100,
          versionPriority: 100,
        },
        insecureSkipTLSVerify: true,
        service: { name: 'adapter', namespace, port: 6443 },
      },
    },
  ];
}

/** The chart makes them where the cluster has the operator's CRD; here they are only rendered. */
async function renderedMonitors(release: Release): Promise<readonly ServiceMonitor[]> {
  const enabled = ['--set', 'metrics.serviceMonitor.enabled=true', '--set', 'autoscaling.mode=prometheus'];
  const as = ['--kube-version', '1.34.0', '--api-versions', 'monitoring.coreos.com/v1/ServiceMonitor'];
  const rendered = await release.helm('template', release.name, chart, ...enabled, ...as);
  const objects = loadAllYaml(rendered) as ServiceMonitor[];
  const monitors = objects.filter(({ kind }) => kind === 'ServiceMonitor');
  if (monitors.length === 0) throw new Error('the chart renders no ServiceMonitor');
  return monitors;
}

function externalRules(): unknown {
  const text = readFileSync(join(root, 'deploy/prometheus/adapter-values.yaml'), 'utf8');
  return loadYaml<{ rules: { external: unknown } }>(text).rules.external;
}

/**
 * What the operator of Prometheus makes of ServiceMonitors, but that Services are looked up once and asked by their names:
 * Debian's Prometheus is built without the discovery of Kubernetes.
 */
async function scraping(monitors: readonly ServiceMonitor[], release: Release): Promise<object> {
  interface Service {
    readonly metadata: { readonly name: string };
    readonly spec: { readonly ports: readonly { readonly name: string; readonly port: number }[] };
  }
  const { namespace, key, space } = release;
  const jobs = monitors.map(async ({ metadata: { name }, spec: { selector, endpoints } }) => {
    const labels = Object.entries(selector.matchLabels).map((pair) => pair.join('='));
    const services = await space.api.list<Service>(`/api/v1/namespaces/${namespace}/services`, labels.join());
    return endpoints.map(({ port, path, interval, authorization }, index) => ({
      job_name: `serviceMonitor/${name}/${index}`,
      metrics_path: path,
      scrape_interval: interval,
      scrape_timeout: interval,
      ...(authorization && { authorization: { credentials: key } }),
      static_configs: services.flatMap(({ metadata, spec }) =>
        spec.ports
          .filter((one) => one.name === port)
          .map((one) => ({
            targets: [`${metadata.name}.${namespace}.svc:${one.port}`],
            labels: { namespace, service: metadata.name },
          })),
      ),
    }));
  });
  return { scrape_configs: (await Promise.all(jobs)).flat() };
}

function program(namespace: string, { name, image, args, port, ready, config }: Program): object[] {
  const labels = { app: name };
  const metadata = { name, namespace };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: config },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports: [{ port }] } },
    {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: name,
            terminationGracePeriodSeconds: 1,
            securityContext: {
              runAsNonRoot: true,
              runAsUser: 1000,
              seccompProfile: { type: 'RuntimeDefault' },
            },
            containers: [
              {
                ...{ name, image, args, imagePullPolicy: 'IfNotPresent', ports: [{ containerPort: port }] },
                resources: { requests: { cpu: '50m', memory: '64Mi' } },
                readinessProbe: { httpGet: { ...ready, port }, periodSeconds: 2 },
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
                volumeMounts: [
                  { name: 'config', mountPath: '/config' },
                  { name: 'tmp', mountPath: '/tmp' },
                ],
              },
            ],
            volumes: [
              { name: 'config', configMap: { name } },
              { name: 'tmp', emptyDir: {} },
            ],
          },
        },
      },
    },
  ];
}

/** The adapter asks the API server who asks it. */
function rights(namespace: string): object[] {
  const group = 'rbac.authorization.k8s.io';
  const bind = (params: { kind: string; role: string; as: string; within?: string }): object => ({
    apiVersion: `${group}/v1`,
    kind: params.within === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
    metadata: { name: params.as, ...(params.within !== undefined && { namespace: params.within }) },
    roleRef: { apiGroup: group, kind: params.kind, name: params.role },
    subjects: [{ kind: 'ServiceAccount', name: 'adapter', namespace }],
  });
  const as = `${namespace}-adapter`;
  const reader = 'extension-apiserver-authentication-reader';
  return [
    bind({ kind: 'ClusterRole', role: 'view', as, within: namespace }),
    bind({ kind: 'ClusterRole', role: 'system:auth-delegator', as }),
    bind({ kind: 'Role', role: reader, as, within: 'kube-system' }),
  ];
}
