/** The chart's switches of models that are served, and of the load test, where there is helm. */
import { describe, expect, it } from 'vitest';
import { hasHelm, only, podOf, render, variables, type Manifest } from './helm.js';

const volume = { persistentVolumeClaim: { claimName: 'trained' } };
const models = { enabled: true, volume };
const loadtest = { enabled: true, host: 'https://elsewhere.example' };

const container = (manifests: readonly Manifest[], name: string) => podOf(manifests, name).containers[0]!;
const names = (manifests: readonly Manifest[]): readonly string[] =>
  manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
/** What the second has beside the first. */
const beside = (values: object): readonly string[] => {
  const before = names(render());
  return names(render(values))
    .filter((name) => !before.includes(name))
    .sort();
};
const kinds = (name: string, more: readonly string[] = []): readonly string[] =>
  ['Deployment', 'HorizontalPodAutoscaler', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', ...more]
    .map((kind) => `${kind} ${name}`)
    .sort();

describe.skipIf(!hasHelm)('the models of the chart', () => {
  it('are nowhere by default', () => {
    const all = names(render());
    expect(all.filter((name) => /models|tf-serving|loadtest/.test(name))).toEqual([]);
    expect(podOf(render(), 'dray-api').volumes).not.toContainEqual(
      expect.objectContaining({ name: 'models' }),
    );
  });

  it('have servers of their own, scaled by CPU', () => {
    expect(beside({ models })).toEqual(kinds('dray-models', ['ServiceAccount']));
    const manifests = render({ models });
    expect(container(manifests, 'dray-models')).toMatchObject({
      image: 'dray-api:0.1.0',
      args: ['models', 'serve'],
      readinessProbe: { httpGet: { path: '/readyz' } },
      livenessProbe: { httpGet: { path: '/healthz' } },
    });
    expect(podOf(manifests, 'dray-models').volumes).toContainEqual({ name: 'models', ...volume });
    expect(container(manifests, 'dray-models').volumeMounts).toContainEqual({
      ...{ name: 'models', mountPath: '/models', readOnly: true },
    });
    expect(only(manifests, 'HorizontalPodAutoscaler', 'dray-models').spec).toMatchObject({
      ...{ minReplicas: 2, maxReplicas: 6, scaleTargetRef: { name: 'dray-models' } },
    });
    expect(only(manifests, 'Service', 'dray-models').spec).toMatchObject({ ports: [{ port: 8_501 }] });
  });

  it('have options of their own, and ask for keys unless these say otherwise', () => {
    const values = { options: { logLevel: 'warn', modelThreads: 3 }, models };
    const told = variables(render(values), 'models');
    expect(told).toMatchObject({
      ...{ DRAY_PORT: '8501', DRAY_MODELS: '/models', DRAY_KEYS: '/keys/keys.json', DRAY_AUTH: 'keys' },
      ...{ DRAY_LOG_LEVEL: 'warn', DRAY_MODEL_THREADS: '3' },
    });
    expect(told).not.toHaveProperty('DRAY_OPEN_DOORS');
    const own = { ...values, models: { ...models, options: { modelThreads: 2, openDoors: true } } };
    expect(variables(render(own), 'models')).toMatchObject({
      ...{ DRAY_MODEL_THREADS: '2', DRAY_OPEN_DOORS: 'true' },
    });
    expect(variables(render(own), 'api')).not.toHaveProperty('DRAY_OPEN_DOORS');
  });

  it('know none of the servers’ passwords', () => {
    const { env } = container(render({ models }), 'dray-models');
    expect(JSON.stringify(env)).not.toContain('secretKeyRef');
  });

  it('are the API’s too, where that is wanted, and then of the same volume', () => {
    const manifests = render({ models: { inApi: true, volume } });
    expect(names(manifests)).toEqual(names(render()));
    expect(variables(manifests, 'api')['DRAY_MODELS']).toBe('/models');
    expect(podOf(manifests, 'dray-api').volumes).toContainEqual({ name: 'models', ...volume });
    expect(variables(manifests, 'worker-default')).not.toHaveProperty('DRAY_MODELS');
  });
});

describe.skipIf(!hasHelm)('TensorFlow Serving beside Dray', () => {
  it('has the model of its image, and both of its ports', () => {
    expect(beside({ tensorflowServing: { enabled: true } })).toEqual(kinds('dray-tf-serving'));
    const manifests = render({ tensorflowServing: { enabled: true, args: ['--enable_batching=true'] } });
    expect(container(manifests, 'dray-tf-serving')).toMatchObject({
      image: 'dray-tf-serving:0.1.0',
      command: ['tensorflow_model_server'],
      args: [
        ...['--port=8500', '--rest_api_port=8501', '--model_name=celsiusify'],
        ...['--model_base_path=/models/celsiusify', '--enable_batching=true'],
      ],
      volumeMounts: [{ name: 'tmp' }],
    });
    expect(only(manifests, 'Service', 'dray-tf-serving').spec).toMatchObject({
      ports: [
        { port: 8_501, targetPort: 'http' },
        { port: 8_500, targetPort: 'grpc' },
      ],
    });
  });

  it('takes the models of a volume by the image of its makers', () => {
    const image = 'docker.io/tensorflow/serving:2.20.0';
    const tensorflowServing = { enabled: true, image, model: 'other', volume };
    const manifests = render({ tensorflowServing });
    expect(container(manifests, 'dray-tf-serving')).toMatchObject({
      image,
      readinessProbe: { httpGet: { path: '/v1/models/other' } },
      volumeMounts: [{ name: 'tmp' }, { name: 'models', mountPath: '/models' }],
    });
    expect(podOf(manifests, 'dray-tf-serving').volumes).toContainEqual({ name: 'models', ...volume });
  });
});

describe.skipIf(!hasHelm)('the load test of the chart', () => {
  const argsOf = (values: object, name = 'dray-loadtest'): readonly string[] =>
    container(render({ loadtest: { ...loadtest, ...values } }), name).args!;

  it('is a master with a page, and workers who find it', () => {
    expect(beside({ loadtest })).toEqual(
      [
        ...['ConfigMap dray-loadtest', 'Deployment dray-loadtest', 'Deployment dray-loadtest-worker'],
        ...['NetworkPolicy dray-loadtest', 'NetworkPolicy dray-loadtest-worker'],
        ...['Service dray-loadtest', 'Service dray-loadtest-master'],
      ].sort(),
    );
    const manifests = render({ loadtest: { ...loadtest, workers: 3 } });
    expect(only(manifests, 'Deployment', 'dray-loadtest-worker').spec?.replicas).toBe(3);
    expect(argsOf({}, 'dray-loadtest-worker')).toContain('--master-host=dray-loadtest-master');
    expect(only(manifests, 'Service', 'dray-loadtest').spec).toMatchObject({ ports: [{ port: 8_089 }] });
    expect(only(manifests, 'ConfigMap', 'dray-loadtest').data!['locustfile.py']).toContain(
      'class ConvertUser(',
    );
  });

  it('asks what it is told to, by so many users of these classes', () => {
    expect(argsOf({ users: 50, spawnRate: 2.5, time: '90s', classes: ['PredictUser'] })).toEqual([
      ...['--locustfile=/loadtest/locustfile.py', '--master', '--host=https://elsewhere.example'],
      ...['--users=50', '--spawn-rate=2.5', '--run-time=90s', 'PredictUser'],
    ]);
    // YAML's numbers are floating, and large ones would be written as 1e+06.
    expect(argsOf({ users: 1_000_000 })).toContain('--users=1000000');
  });

  it('asks the API where it is told nothing', () => {
    const values = { options: { openDoors: true }, loadtest: { enabled: true } };
    expect(container(render(values, { release: 'team' }), 'team-dray-loadtest').args).toContain(
      '--host=http://team-dray-api:8080',
    );
  });

  it('waits for the button of its page, or for its workers alone', () => {
    expect(argsOf({}).join(' ')).not.toMatch(/autostart|expect/);
    expect(argsOf({ autostart: true, workers: 4 })).toEqual(
      expect.arrayContaining(['--autostart', '--expect-workers=4']),
    );
  });

  it('begins anew with all of its pods where anything of it changes', () => {
    const runs = (values: object): readonly string[] => {
      const manifests = render({ loadtest: { ...loadtest, ...values } });
      return ['dray-loadtest', 'dray-loadtest-worker'].map(
        (name) => only(manifests, 'Deployment', name).spec!.template!.metadata.annotations['checksum/run']!,
      );
    };
    expect(new Set(runs({})).size).toBe(1);
    expect(runs({ users: 7 })[1]).not.toBe(runs({})[1]);
  });

  it.each(['api', 'models', 'tf-serving'])('may ask %s where not everybody may', (component) => {
    const networkPolicy = { apiFrom: [{ ipBlock: { cidr: '192.0.2.0/24' } }] };
    const values = { networkPolicy, models, tensorflowServing: { enabled: true } };
    const from = (more: object): string =>
      JSON.stringify(only(render({ ...values, ...more }), 'NetworkPolicy', `dray-${component}`).spec);
    expect(from({ loadtest })).toContain('"app.kubernetes.io/component":"loadtest-worker"');
    expect(from({})).not.toContain('loadtest');
    expect(from({})).toContain('192.0.2.0/24');
  });
});
