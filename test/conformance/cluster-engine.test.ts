import { describe } from 'vitest';
import { rabbitVhost, redisDatabase } from '../support/services.js';
import { clusterStore } from './cluster-store.js';
import { engineConformance } from './engine.js';

const [queue, state] = await Promise.all([rabbitVhost(), redisDatabase()]);

describe.skipIf(!queue || !state)('on RabbitMQ and Redis', () => {
  engineConformance('cluster', clusterStore({ queue: queue?.url ?? '', state: state?.url ?? '' }));
});
