/**
 * node scripts/kubernetes-secrets.mjs | kubectl --namespace dray create -f -
 *
 * Makes the passwords and the API keys that deploy/kubernetes needs, as Secrets. `create`, because it refuses what is
 * there already: RabbitMQ keeps the first password among its data.
 */
import { createHash, randomBytes } from 'node:crypto';

/** Hexadecimal, so that it needs no quoting in a URL. */
const secret = () => randomBytes(24).toString('hex');
const [redis, rabbitmq] = [secret(), secret()];
const [admin, read] = ['admin', 'read'].map(apiKey);

const secrets = {
  'dray-redis': { password: redis, address: `redis://:${redis}@dray-redis:6379` },
  'dray-rabbitmq': { password: rabbitmq, address: `amqp://dray:${rabbitmq}@dray-rabbitmq:5672` },
  'dray-s3': { AWS_ACCESS_KEY_ID: 'dray', AWS_SECRET_ACCESS_KEY: secret() },
  'dray-api-key': {
    key: admin.text,
    'read-key': read.text,
    'keys.json': JSON.stringify({ version: 1, keys: [admin.record, read.record] }),
  },
};
const items = Object.entries(secrets).map(([name, stringData]) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: {
    name,
    labels: { 'app.kubernetes.io/name': 'dray', 'app.kubernetes.io/instance': 'dray' },
  },
  stringData,
}));
console.log(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2));

function apiKey(scope) {
  const id = randomBytes(6).toString('hex');
  const text = `dray_${id}_${randomBytes(32).toString('base64url')}`;
  const hash = createHash('sha256').update(text).digest('hex');
  return { text, record: { id, name: `first-${scope}`, scope, hash, createdAt: new Date().toISOString() } };
}
