/** Values that fit the schema and cannot work: helm says which, and what to do, where there is helm. */
import { describe, expect, it } from 'vitest';
import { hasHelm, refusal } from './helm.js';

const pools = (all: object): object => ({ workers: { pools: all } });
const cpu = { autoscaling: { mode: 'cpu' } };
const volume = { persistentVolumeClaim: { claimName: 'models' } };
const loadtest = (more: object): object => ({ loadtest: { enabled: true, ...more } });

describe.skipIf(!hasHelm)('helm refuses', () => {
  it.each([
    [
      'a minimum above the maximum',
      { workers: { defaults: { min: 3, max: 2 } } },
      'workers.pools.default: min (3) is above max (2).',
    ],
    ['a pool without types', pools({ gpu: {} }), 'workers.pools.gpu.types is missing'],
    ['types of the default pool', pools({ default: { types: ['a'] } }), 'workers.pools.default.types: '],
    [
      'two pools with one type',
      pools({ a: { types: ['x', 'y'] }, b: { types: ['y'] } }),
      'workers.pools.b.types: `y` is of the pool `a` already',
    ],
    [
      'one type twice',
      pools({ a: { types: ['x', 'x'] } }),
      'workers.pools.a.types: `x` is of the pool `a` already',
    ],
    ['workers without a default pool', pools({ default: null }), 'workers.pools.default is missing'],
    [
      'no worker by CPU',
      { ...cpu, ...pools({ default: { min: 0 } }) },
      'workers.pools.default.min is 0, and autoscaling.mode cpu cannot',
    ],
    [
      'a target of CPU without a request',
      { ...cpu, ...pools({ default: { resources: { limits: { cpu: 1 } } } }) },
      'workers.pools.default.resources.requests.cpu is missing',
    ],
    [
      'no target by CPU',
      { autoscaling: { mode: 'cpu', cpu: { averageUtilization: null } } },
      'neither autoscaling.cpu.averageUtilization nor',
    ],
    ['an ingress without a host', { api: { ingress: { enabled: true } } }, 'api.ingress.host is missing'],
    [
      'APIs of which there are fewer than too few',
      { api: { autoscaling: { min: 7 } } },
      'api.autoscaling: min (7) is above max (6).',
    ],
    [
      'APIs that are scaled by nothing',
      { api: { resources: { requests: { cpu: null } } } },
      'api.resources.requests.cpu is missing',
    ],
    [
      'an end that comes before its beginning',
      { api: { preStopSeconds: 45 } },
      'leaves no time after api.preStopSeconds (45).',
    ],
    [
      'workers that run containers and may not reach Kubernetes',
      { containers: { enabled: true }, networkPolicy: { workerTo: [{ podSelector: {} }] } },
      'networkPolicy.workerTo has no ipBlock',
    ],
    [
      'two Services of one name',
      {
        api: {
          extraServices: [
            { name: 'a', port: 1 },
            { name: 'a', port: 2 },
          ],
        },
      },
      'api.extraServices: there is a Service `a` already.',
    ],
    [
      'a Service of a name that is taken',
      { api: { extraServices: [{ name: 'dray-redis', port: 1 }] } },
      'there is a Service `dray-redis` already.',
    ],
    [
      'models that are nowhere',
      { models: { enabled: true } },
      'models.enabled is true, and models.volume is',
    ],
    [
      'an API’s models that are nowhere',
      { models: { inApi: true } },
      'models.inApi is true, and models.volume is empty',
    ],
    [
      'model servers that are scaled by nothing',
      { models: { enabled: true, volume, resources: { requests: { cpu: null } } } },
      'models.resources.requests.cpu is missing: models.autoscaling measures',
    ],
    [
      'fewer of TensorFlow Serving than too few',
      { tensorflowServing: { enabled: true, autoscaling: { min: 7 } } },
      'tensorflowServing.autoscaling: min (7) is above max (6).',
    ],
    ['a load test before closed doors', loadtest({}), 'set options.openDoors=true.'],
    [
      'a load test of models that the API has not',
      { options: { openDoors: true }, ...loadtest({ classes: ['PredictUser'] }) },
      '(http://dray-models:8501 or http://dray-tf-serving:8501)',
    ],
    [
      'a load test of models that answer nobody without a key',
      loadtest({ host: 'http://dray-models:8501', classes: ['PredictUser'] }),
      'set models.options.openDoors=true.',
    ],
  ])('%s', (_, values, message) => {
    expect(refusal(values)).toContain(message);
  });

  it('what the schema does not know, by its key', () => {
    expect(refusal({ api: { replica: 3 } })).toContain(
      "at '/api': additional properties 'replica' not allowed",
    );
    expect(refusal({ options: { port: 1 } })).toContain(
      "at '/options': additional properties 'port' not allowed",
    );
    expect(refusal({ autoscaling: { mode: 'hpa' } })).toContain(
      "at '/autoscaling/mode': value must be one of",
    );
    expect(refusal({ loadtest: { classes: ['NoUser'] } })).toContain(
      "at '/loadtest/classes/0': value must be one of",
    );
  });
});
