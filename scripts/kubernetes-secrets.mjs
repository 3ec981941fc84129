/**
 * node scripts/kubernetes-secrets.mjs | kubectl --namespace dray create -f -
 *
 * Makes the passwords and the API key that deploy/kubernetes needs, as Secrets. `create`, because it refuses what is
 * there already: RabbitMQ keeps the first password among its data.
 */
import { createHash, randomBytes } from 'node:crypto';

/** Hexadecimal, so that it needs no quoting in a URL. */
const secret = () => randomBytes(24).toString('hex');
const [redis, rabbitmq] = [secret(), secret()];
const id = randomBytes(6).toString('hex');
const key = `dray_${id}_${randomBytes(32).toString('base64url')}`;
const record = {
  id,
  name: 'first',
  scope: 'admin',
  hash: createHash('sha256').update(key).digest('hex'),
  createdAt: new Date().toISOString(),
};

const secrets = {
  'dray-redis': { password: redis, address: `redis://:${redis}@dray-redis:6379` },
  'dray-rabbitmq': { password: rabbitmq, address: `amqp://dray:${rabbitmq}@dray-rabbitmq:5672` },
  'dray-s3': { AWS_ACCESS_KEY_ID: 'dray', AWS_SECRET_ACCESS_KEY: secret() },
  'dray-api-key': { key, 'keys.json': JSON.stringify({ version: 1, keys: [record] }) },
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
