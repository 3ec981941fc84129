// values.schema.json of deploy/helm/dray: `options` from the option table, the rest from here.
import { readFileSync } from 'node:fs';
import * as is from './parts.mjs';
import { optionSchema, optionSchemas } from './option-schema.mjs';

const { closed, flag, integer, listOf, name, nullable, oneOf, partly, port, text } = is;

/** A pool's name ends the names of its objects, which have 63 characters, and those of the release up to 48. */
const poolName = '^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$';

/** @param options the option table */
export function valuesSchema(options) {
  const ofPool = pool(options);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Values of the chart dray',
    ...closed(
      {
        // Of a chart that has this one in it.
        global: { type: 'object' },
        image: closed({
          registry: text,
          tag: text,
          pullPolicy: oneOf('Always', 'IfNotPresent', 'Never'),
          pullSecrets: listOf(closed({ name })),
        }),
        options: partly(optionSchemas(options, ['api', 'worker', 'controller'])),
        env: is.environment,
        apiKeys: closed({ existingSecret: text }),
        api,
        controller: closed({ replicas: integer(1, 100), resources: is.resources, ...is.place }),
        workers: closed({
          defaults: closed(ofPool),
          pools: {
            type: 'object',
            patternProperties: { [poolName]: partly(ofPool) },
            additionalProperties: false,
          },
        }),
        autoscaling,
        metrics: closed({
          serviceMonitor: closed({
            enabled: flag,
            interval: { type: 'string', pattern: '^\\d+(ms|s|m|h)$' },
            labels: is.texts,
          }),
        }),
        containers: closed({
          enabled: flag,
          namespace: text,
          images: listOf(is.someText),
          bucketHosts: listOf(is.someText),
          ownS3: flag,
          existingSecret: text,
          bucketCredentialsSecret: text,
          serviceAccount: text,
        }),
        models: closed({
          enabled: flag,
          inApi: flag,
          volume,
          options: partly(optionSchemas(options, ['models'])),
          env: is.environment,
          ...answering,
          service: closed({ ...is.service, port, annotations: is.texts }),
        }),
        tensorflowServing,
        loadtest,
        ...servers,
        networkPolicy: closed({
          enabled: flag,
          apiFrom: is.peers,
          workerTo: is.peers,
          metricsFrom: is.peers,
        }),
        serviceAccount: closed({ annotations: is.texts }),
        secrets: closed({ create: flag }),
      },
      { optional: ['global'] },
    ),
  };
}

/** Of those that answer requests. */
const answering = {
  replicas: integer(1, 1_000),
  autoscaling: closed({
    enabled: flag,
    min: integer(1, 1_000),
    max: integer(1, 1_000),
    cpu: integer(1, 1_000),
  }),
  podDisruptionBudget: closed({ enabled: flag, minAvailable: integer(0, 1_000) }),
  resources: is.resources,
  ...is.place,
};

const api = closed({
  ...answering,
  service: closed({ ...is.service, port, annotations: is.texts }),
  extraServices: listOf(
    closed(
      { name, ...is.service, port, annotations: is.texts },
      { optional: ['type', 'nodePort', 'annotations'] },
    ),
  ),
  ingress: closed({ enabled: flag, className: text, host: text, annotations: is.texts, tlsSecret: text }),
  preStopSeconds: integer(0, 600),
  terminationGracePeriodSeconds: integer(1, 3_600),
  containerPort: port,
});

/** Kubernetes knows the sources; the name is the chart's. */
const volume = { type: 'object', properties: { name: false }, maxProperties: 1 };
const modelName = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' };

const tensorflowServing = closed({
  enabled: flag,
  image: text,
  model: modelName,
  volume,
  args: listOf(is.someText),
  ...answering,
  service: closed({
    ...is.service,
    port,
    grpcPort: port,
    grpcNodePort: nullable(port),
    annotations: is.texts,
  }),
});

/** The classes of users in the file that locust runs. */
const userClasses = [
  ...readFileSync(new URL('../../loadtest/locustfile.py', import.meta.url), 'utf8').matchAll(
    /^class (\w+)\(DoorUser\):/gm,
  ),
].map(([, name]) => name);

const loadtest = closed({
  enabled: flag,
  image: is.someText,
  host: { type: 'string', pattern: '^$|^https?://\\S+$' },
  classes: { ...listOf(oneOf(...userClasses)), minItems: 1, uniqueItems: true },
  users: integer(1, 1_000_000),
  spawnRate: { type: 'number', exclusiveMinimum: 0, maximum: 1_000_000 },
  time: { type: 'string', pattern: '^\\d+[hms](\\d+[ms])?(\\d+s)?$' },
  autostart: flag,
  workers: integer(1, 1_000),
  env: is.environment,
  service: closed({ ...is.service, port, annotations: is.texts }),
  master: closed({ resources: is.resources }),
  resources: is.resources,
  ...is.place,
});

/** By key: a pool may have any of these, `workers.defaults` has all. */
function pool(options) {
  const option = (wanted) => optionSchema(options.find((one) => one.name === wanted));
  return {
    types: listOf(is.someText),
    min: option('minWorkers'),
    max: option('maxWorkers'),
    replicas: is.replicas,
    slots: option('slotsPerWorker'),
    drainTarget: option('drainTarget'),
    slo: option('slo'),
    utilisation: option('utilisation'),
    drainGraceSeconds: integer(0, 86_400),
    resources: is.resources,
    ...is.place,
    options: partly(optionSchemas(options, ['worker'])),
    env: is.environment,
  };
}

const autoscaling = closed({
  mode: oneOf('metrics-api', 'prometheus', 'keda', 'cpu', 'off'),
  scaleDownStabilizationSeconds: integer(0, 3_600),
  tolerance: nullable({ type: ['string', 'number'], pattern: '^(0(\\.\\d+)?|\\d+m)$' }),
  cpu: closed({
    averageUtilization: nullable(integer(1, 10_000)),
    memoryUtilization: nullable(integer(1, 10_000)),
  }),
  keda: closed({
    pollingInterval: integer(1, 3_600),
    cooldownPeriod: integer(0, 86_400),
    fallbackAfterFailures: nullable(integer(0, 1_000)),
  }),
});

/** By name: those that the chart runs, or that are there. */
const servers = {
  redis: closed({
    enabled: flag,
    image: is.someText,
    persistence: is.persistence,
    maxMemory: { type: 'string', pattern: '^\\d+[kKmMgG]?[bB]?$' },
    resources: is.resources,
    external: closed({ existingSecret: text, key: is.someText }),
  }),
  rabbitmq: closed({
    enabled: flag,
    image: is.someText,
    persistence: is.persistence,
    service: closed(is.service),
    resources: is.resources,
    external: closed({ existingSecret: text, key: is.someText }),
  }),
  s3: closed({
    enabled: flag,
    image: text,
    persistence: is.persistence,
    bucket: { type: 'string', pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$' },
    service: closed(is.service),
    resources: is.resources,
    external: closed({ address: { type: 'string', pattern: '^$|^s3://' }, existingSecret: text }),
  }),
};
