/** Dray as its users install it: by its chart, in a namespace of its own, small enough for two cores. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DrayClient } from '../../src/client/index.js';
import type { InvariantReport } from '../../src/jobs/invariants.js';
import { eventually } from '../support/eventually.js';
import { root } from '../support/sources.js';
import { nodeAddress, testNamespace, type TestNamespace } from './cluster.js';
import { chartImages } from './chart-images.js';
import { run, type RunOptions } from './programs.js';
import { isReady, untilReady, type Pod } from './readiness.js';

export const chart = join(root, 'deploy/helm/dray');
const readyMs = 240_000;

export type Mode = 'metrics-api' | 'prometheus' | 'keda' | 'cpu' | 'off';
export type Component = 'api' | 'controller' | 'worker' | 'redis' | 'rabbitmq' | 's3';

export interface ReleaseOptions {
  /** Over those that all tests have; of several the later ones win. */
  readonly values?: object | readonly object[];
  /** Names of files in the chart's folder, which come before `values`. */
  readonly files?: readonly string[];
  /** By default `off`. */
  readonly mode?: Mode;
  /** The servers keep their data in volumes of the class DRAY_TEST_STORAGE_CLASS, or else of the default one. */
  readonly persistent?: boolean;
  /** By default `dray`, as is what the names of its objects begin with. */
  readonly name?: string;
}

/** Where it does not become ready it is removed, and the error says what each pod has to say. */
export async function installRelease(options: ReleaseOptions = {}): Promise<Release> {
  const { persistent = false, mode = 'off', files = [], values = {}, name = 'dray' } = options;
  const images = await chartImages();
  const release = new Release({
    name,
    space: await testNamespace(),
    folder: await mkdtemp(join(tmpdir(), 'dray-release-')),
    files: files.map((file) => join(chart, file)),
  });
  try {
    const layers = [smallValues(persistent), images, { autoscaling: { mode } }];
    await release.install(...layers, ...(Array.isArray(values) ? (values as object[]) : [values]));
    return release;
  } catch (error) {
    await release.cleanup();
    throw error;
  }
}

export class Release {
  readonly name: string;
  readonly space: TestNamespace;
  readonly #folder: string;
  #files: readonly string[];
  #url = '';
  #key = '';

  /** @param params.files of values. */
  constructor(params: { name: string; space: TestNamespace; folder: string; files: readonly string[] }) {
    this.name = params.name;
    this.space = params.space;
    this.#folder = params.folder;
    this.#files = params.files;
  }

  get namespace(): string {
    return this.space.name;
  }

  /** The API's address, as this machine reaches it. */
  get url(): string {
    return this.#url;
  }

  /** Of the scope admin. */
  get key(): string {
    return this.#key;
  }

  client(): DrayClient {
    return new DrayClient({ baseUrl: this.#url, apiKey: this.#key });
  }

  /** A request to the API, with the key. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${this.#key}`);
    return fetch(`${this.#url}${path}`, { ...init, headers });
  }

  /** @param layers values over those that it has already. Resolves when all of it is ready. */
  async install(...layers: readonly object[]): Promise<void> {
    await this.#deploy('install', layers);
    const { api, name } = this.space;
    const { fullname } = this;
    const base = `/api/v1/namespaces/${name}`;
    const [service, secret] = await Promise.all([
      api.get<{ spec: { ports: { nodePort: number }[] } }>(`${base}/services/${fullname}-api`),
      api.get<{ data: { key: string } }>(`${base}/secrets/${fullname}-api-key`),
    ]);
    this.#url = `http://${await nodeAddress(api)}:${service.spec.ports[0]!.nodePort}`;
    this.#key = Buffer.from(secret.data.key, 'base64').toString();
    await this.#untilReached();
  }

  /** The same with other values. */
  async upgrade(...layers: readonly object[]): Promise<void> {
    await this.#deploy('upgrade', layers);
  }

  untilReady(): Promise<void> {
    return untilReady(this.space.api, readyMs);
  }

  /** Runs helm; what it deploys may take a while to be ready. @returns what it printed. */
  helm(...args: readonly string[]): Promise<string> {
    return run('helm', [...args, '--namespace', this.namespace]);
  }

  kubectl(args: readonly string[], options?: RunOptions): Promise<string> {
    return run('kubectl', ['--namespace', this.namespace, ...args], options);
  }

  /** Those that are not on their way out, oldest first. */
  async pods(component: Component): Promise<readonly Pod[]> {
    const { api } = this.space;
    const selector = `app.kubernetes.io/instance=${this.name},app.kubernetes.io/component=${component}`;
    const pods = await api.list<Pod>(api.pods(), selector);
    return pods
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .sort((a, b) => Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp));
  }

  /** Runs a command in the first ready pod of the component. */
  async exec(component: Component, command: readonly string[], options?: RunOptions): Promise<string> {
    const pod = (await this.pods(component)).find(isReady);
    if (!pod) throw new Error(`no pod of ${component} is ready`);
    return this.kubectl(['exec', '--stdin', pod.metadata.name, '--', ...command], options);
  }

  /** What the promises look like from the servers' records. */
  async invariants(): Promise<InvariantReport> {
    const doctor = ['node', 'dist/main.js', 'doctor', '--invariants', '--json'];
    return JSON.parse(await this.exec('controller', doctor)) as InvariantReport;
  }

  /** Removes it all, its volumes and its namespace too. */
  async cleanup(): Promise<void> {
    // First, while its namespace is whole: what a release has outside of it goes with the release alone.
    await this.helm('uninstall', this.name, '--ignore-not-found', '--wait=false').catch(console.warn);
    await this.kubectl(['delete', 'persistentvolumeclaims', '--all', '--wait=false']).catch(console.warn);
    await this.space.cleanup();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What the names of its objects begin with. */
  get fullname(): string {
    return this.name.includes('dray') ? this.name : `${this.name}-dray`;
  }

  /** Pods that are ready are reached through their Service once each node has heard of them, a moment later. */
  async #untilReached(): Promise<void> {
    let inRow = 0;
    await eventually(
      async () => (inRow = (await answers(`${this.#url}/healthz`)) ? inRow + 1 : 0),
      (count) => count >= 20,
    );
  }

  async #deploy(verb: 'install' | 'upgrade', layers: readonly object[]): Promise<void> {
    for (const layer of layers) {
      const file = join(this.#folder, `${this.#files.length}.json`);
      await writeFile(file, JSON.stringify(layer));
      this.#files = [...this.#files, file];
    }
    await this.helm(verb, this.name, chart, ...this.#files.flatMap((file) => ['--values', file]));
    await this.untilReady();
  }
}

/** Over a connection of its own, as each may lead to another pod. */
function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}

/** One of each, and no more asked of the nodes than an idle one uses: what they may use is the chart's own. */
function smallValues(persistent: boolean): object {
  const { DRAY_TEST_STORAGE_CLASS: storageClass = '' } = process.env;
  const small = { requests: { cpu: '50m', memory: '64Mi' } };
  const persistence = { enabled: persistent, size: '1Gi', storageClass };
  return {
    api: { replicas: 1, autoscaling: { enabled: false }, service: { type: 'NodePort' }, resources: small },
    controller: { replicas: 1, resources: small },
    workers: { defaults: { replicas: 1, slots: 1, resources: small } },
    redis: { resources: small, persistence },
    rabbitmq: { resources: small, persistence },
    s3: { resources: small, persistence },
  };
}
