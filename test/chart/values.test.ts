/** What the chart takes as values, without helm: its schema is generated, and helm refuses by it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import { Check, type XSchema } from 'typebox/schema';
import { describe, expect, it } from 'vitest';
import { ownedByChart } from '../../scripts/chart/option-schema.mjs';
import { valuesSchema } from '../../scripts/chart/values-schema.mjs';
import { options } from '../../src/config/options.js';
import { root } from '../support/sources.js';

const text = (file: string): string => readFileSync(join(root, 'deploy/helm/dray', file), 'utf8');
const schema = valuesSchema(options) as XSchema;
type Values = Record<string, Record<string, unknown>>;

/** The values of the chart with one of them changed, deep inside. */
function values(path: string, value: unknown): Values {
  const all = loadYaml<Values>(text('values.yaml'));
  const keys = path.split('.');
  let place = all as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) place = (place[key] ??= {}) as Record<string, unknown>;
  place[keys.at(-1)!] = value;
  // Without what is undefined, as helm leaves out a key that is set to null.
  return JSON.parse(JSON.stringify(all)) as Values;
}

describe('the schema of the chart’s values', () => {
  it('is the one that the option table gives', () => {
    expect(text('values.schema.json'), 'run npm run chart').toBe(`${JSON.stringify(schema, null, 2)}\n`);
  });

  it('takes what the chart comes with', () => {
    expect(Check(schema, loadYaml(text('values.yaml')))).toBe(true);
  });

  it.each([
    ['options.keepFor', '2d'],
    ['options.keepFor', 3_600],
    ['options.keepJobs', 1_000_000],
    ['options.openDoors', true],
    ['options.allowBuckets', ['a', 'b/c']],
    ['options.diskShare', '80%'],
    ['options.containerMaxMemory', '16g'],
    ['image.pullSecrets', [{ name: 'registry' }]],
    ['workers.pools.gpu', { types: ['score'], min: 0, resources: { limits: { 'nvidia.com/gpu': 1 } } }],
    ['workers.pools.gpu.tolerations', [{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }]],
    ['api.extraServices', [{ name: 'celsiusify', port: 8_080 }]],
    ['api.service.nodePort', 30_080],
    ['autoscaling.tolerance', '0.02'],
    ['models.volume', { configMap: { name: 'models', items: [{ key: 'a', path: 'b' }] } }],
    ['models.options', { modelThreads: 4, openDoors: true }],
    ['tensorflowServing.args', ['--enable_batching=true']],
    ['loadtest.host', 'http://dray-models:8501'],
    ['loadtest.time', '1h30m'],
    ['loadtest.classes', ['ConvertUser', 'PredictUser']],
    ['global', { any: 'thing' }],
  ])('takes %s: %j', (path, value) => {
    expect(Check(schema, values(path, value))).toBe(true);
  });

  it.each([
    ['replicas', 3],
    ['api.replica', 3],
    ['api.replicas', undefined],
    ['api.replicas', '3'],
    ['api.service.type', 'Nodeport'],
    ['api.containerPort', 0],
    ['api.resources.limits.memory', '4GB'],
    ['controller.replicas', 0],
    ['options.keepfor', '2d'],
    ['options.keepFor', true],
    ['options.keepFor', '2 days'],
    ['options.logLevel', 'verbose'],
    ['options.maxWaiting', 0],
    // The chart's own: the second of two places where it could be said.
    ['options.port', 8_080],
    ['options.maxWorkers', 3],
    ['options.containers', 'podman'],
    // A password would be in a ConfigMap.
    ['options.mstcAmqp', 'amqp://user:secret@host'],
    ['workers.defaults.options.keepJobs', 5],
    ['workers.defaults.utilisation', 0],
    ['workers.pools.GPU', {}],
    ['workers.pools.sixteen-letters-x', {}],
    ['workers.pools.gpu.minWorkers', 1],
    ['autoscaling.mode', 'hpa'],
    ['autoscaling.scaleDownStabilizationSeconds', 3_601],
    ['redis.maxMemory', '1Gi'],
    ['s3.external.address', 'http://host'],
    ['s3.bucket', 'Upper'],
    ['image.pullSecrets', ['registry']],
    // The chart's own: where the volume is.
    ['options.models', '/models'],
    ['models.options.models', '/models'],
    ['models.options.keepJobs', 5],
    ['models.volume', { name: 'other' }],
    ['models.volume', { emptyDir: {}, hostPath: {} }],
    ['loadtest.host', 'dray-models:8501'],
    ['loadtest.time', '5 minutes'],
    ['loadtest.time', ''],
    ['loadtest.classes', []],
    ['loadtest.classes', ['Convert']],
    ['loadtest.workers', 0],
  ])('refuses %s: %j', (path, value) => {
    expect(Check(schema, values(path, value))).toBe(false);
  });

  it('leaves out no option but those that the chart sets', () => {
    const names = options.map(({ name }) => name as string);
    expect(ownedByChart.filter((name) => !names.includes(name))).toEqual([]);
    const apart = options.filter(({ modes }) => modes.some((mode) => mode !== 'serve'));
    const given = Object.keys(
      (schema as { properties: Record<string, { properties: object }> }).properties['options']!.properties,
    );
    const missing = apart.map(({ name }) => name as string).filter((name) => !given.includes(name));
    expect(missing.filter((name) => !ownedByChart.includes(name))).toEqual([]);
  });

  it('names options whose variables the chart can tell from their keys', () => {
    const told = (name: string): string =>
      name === 'simulate'
        ? 'SIMULATE_WORKLOAD_DURATION_IN_SEC'
        : `DRAY_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
    expect(options.filter(({ name, variable }) => told(name) !== variable)).toEqual([]);
  });
});
