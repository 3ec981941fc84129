/** Redis loses everything, while RabbitMQ has the messages of the jobs that wait. */
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-empty-redis', 'jobs that waited in RabbitMQ run, and their records are there again', {
  plain: true,
  happens: async ({ deployment, load, drill }) => {
    await Promise.all(deployment.of('worker').map((worker) => worker.stop()));
    await eventually(
      () => load.accepted.size,
      (accepted) => accepted === load.total,
    );
    // A job is accepted once RabbitMQ has it; that this was noted is not waited for.
    await eventually(
      () => deployment.client.zcard('dray:outbox'),
      (unconfirmed) => unconfirmed === 0,
    );
    await deployment.client.flushall();
    expect(await deployment.client.keys('dray:job:*')).toEqual([]);
    drill.say('Redis is empty');
    await Promise.all([deployment.add('worker'), deployment.add('worker')]);
    await eventually(
      () => deployment.client.keys('dray:job:*'),
      (keys) => keys.length === load.total,
    );
  },
});
