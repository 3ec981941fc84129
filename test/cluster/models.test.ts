/** Models in a cluster, by the chart's switches: who serves them, and the load test that asks them and the API. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { eventually } from '../support/eventually.js';
import { root } from '../support/sources.js';
import { nodeAddress } from './cluster.js';
import { locustImage, noLocust } from './locust-image.js';
import { noChart } from './programs.js';
import { installRelease, type Release } from './release.js';

const minutes = 60_000;
const version = join(root, 'models/celsiusify/1');
const users = 10;
const workers = 2;
/** Of pods that are neither large nor many. */
const small = { replicas: 1, autoscaling: { enabled: false } };
const resources = { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '1Gi' } };

/** The model's files as a ConfigMap can have them, whose keys are no paths. */
const files = readdirSync(version, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(version.length + 1))
  .map((file) => ({ key: file.replaceAll('/', '-'), file }));
const volume = {
  configMap: {
    name: 'celsiusify',
    items: files.map(({ key, file }) => ({ key, path: `celsiusify/1/${file}` })),
  },
};

/** One of ours, which has the model, or its makers', which gets it. */
const tensorflowServing = ((): { readonly image: string; readonly volume?: object } | undefined => {
  const { DRAY_TEST_TF_SERVING_IMAGE: own, DRAY_TEST_PULL } = process.env;
  if (own !== undefined) return { image: own };
  if (DRAY_TEST_PULL !== undefined) {
    const text = readFileSync(join(root, 'deploy/docker/tf-serving/Dockerfile'), 'utf8');
    return { image: /^ARG TF_SERVING_IMAGE=(\S+)$/m.exec(text)![1]!, volume };
  }
  console.warn('skipped: no image of TensorFlow Serving; set DRAY_TEST_PULL or DRAY_TEST_TF_SERVING_IMAGE');
  return undefined;
})();

interface Statistics {
  readonly state: string;
  readonly stats: readonly {
    readonly name: string;
    readonly num_requests: number;
    readonly num_failures: number;
  }[];
  readonly errors: readonly object[];
  readonly workers: readonly { readonly user_count: number }[];
}

describe.skipIf(noChart !== undefined)('models in a cluster', () => {
  let release: Release;

  beforeAll(async () => {
    release = await installRelease({ values: { options: { openDoors: true } } });
    const from = files.map(({ key, file }) => `--from-file=${key}=${join(version, file)}`);
    await release.kubectl(['create', 'configmap', 'celsiusify', ...from]);
    await release.upgrade({
      models: { ...small, enabled: true, volume, service: { type: 'NodePort' }, resources },
    });
  });
  afterAll(() => release.cleanup());

  /** The address of a Service, as this machine reaches it. */
  async function addressOf(name: string): Promise<string> {
    const { api } = release.space;
    const { spec } = await api.get<{ spec: { ports: { nodePort: number }[] } }>(
      `/api/v1/namespaces/${release.namespace}/services/${name}`,
    );
    return `http://${await nodeAddress(api)}:${spec.ports[0]!.nodePort}`;
  }

  /** Nodes hear of a pod a moment after it is ready. */
  const answerOf = (url: string, init?: RequestInit): Promise<Response> =>
    eventually(
      () => fetch(url, init).catch(() => undefined),
      (answer) => answer?.ok === true,
    ).then((answer) => answer!);

  async function expectPrediction(service: string): Promise<void> {
    const url = `${await addressOf(service)}/v1/models/celsiusify`;
    const body = JSON.stringify({ instances: [[451], [32]] });
    const answer = await answerOf(`${url}:predict`, { method: 'POST', body });
    const { predictions } = (await answer.json()) as { predictions: [number][] };
    expect(predictions).toEqual([[expect.closeTo(232.7778, 3)], [expect.closeTo(0, 3)]]);
    expect(await (await answerOf(url)).json()).toMatchObject({
      model_version_status: [{ version: '1', state: 'AVAILABLE' }],
    });
  }

  /** A whole run by locust in the cluster, which checks each answer. @returns how many requests of this name there were. */
  async function requestsOf(params: { host?: string; userClass: string; name: string }): Promise<number> {
    const { host = '', userClass, name } = params;
    await release.upgrade({
      loadtest: {
        ...{ enabled: true, autostart: true, host, users, spawnRate: users, time: '15s', workers },
        ...{ classes: [userClass], service: { type: 'NodePort' }, resources, master: { resources } },
        ...(await locustImage()),
      },
    });
    const url = `${await addressOf('dray-loadtest')}/stats/requests`;
    let asking = 0;
    const { stats, errors, ...run } = await eventually(
      async () => {
        await systemClock.sleep(500); // a run of seconds, on the cores that the page needs too
        const statistics = (await (await answerOf(url)).json()) as Statistics;
        asking = Math.max(asking, statistics.workers.filter((worker) => worker.user_count > 0).length);
        return statistics;
      },
      ({ state }) => state === 'stopped',
    );
    expect(errors).toEqual([]);
    expect(stats.map((row) => row.num_failures)).toEqual(stats.map(() => 0));
    expect(run.workers).toHaveLength(workers);
    expect(asking, 'workers that ask').toBe(workers);
    return stats.find((row) => row.name === name)?.num_requests ?? 0;
  }

  test('a model server answers through its Service', () => expectPrediction('dray-models'));

  describe.skipIf(noLocust !== undefined)('locust, with a master and two workers,', () => {
    test('asks the models', { timeout: 5 * minutes }, async () => {
      const target = { host: 'http://dray-models:8501', userClass: 'PredictUser' };
      const name = '/v1/models/celsiusify:predict';
      expect(await requestsOf({ ...target, name })).toBeGreaterThan(users);
    });

    test('asks the API', { timeout: 5 * minutes }, async () => {
      expect(await requestsOf({ userClass: 'ConvertUser', name: '/convert/' })).toBeGreaterThan(users);
    });
  });

  describe.skipIf(!tensorflowServing)('TensorFlow Serving', () => {
    beforeAll(async () => {
      const values = { ...small, enabled: true, service: { type: 'NodePort' }, resources };
      await release.upgrade({ tensorflowServing: { ...values, ...tensorflowServing } });
    });

    test('answers as the model server does', () => expectPrediction('dray-tf-serving'));

    test.skipIf(noLocust !== undefined)('is asked by locust', { timeout: 5 * minutes }, async () => {
      const target = { host: 'http://dray-tf-serving:8501', userClass: 'PredictUser' };
      const name = '/v1/models/celsiusify:predict';
      expect(await requestsOf({ ...target, name })).toBeGreaterThan(users);
    });
  });
});
