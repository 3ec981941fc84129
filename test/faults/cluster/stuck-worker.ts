/**
 * Jobs wait and their messages do not come: RabbitMQ was away as they were submitted, and no controller is there to
 * send them. Each worker says by its health check that it gets nothing, and recovers with the first controller.
 */
import { submit } from '../../support/api.js';
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-stuck-worker', 'workers that get nothing while jobs wait say so', {
  happens: async ({ deployment, drill, others, hold, goOn }) => {
    hold();
    const controllers = deployment.of('controller');
    await Promise.all(controllers.map((controller) => controller.stop()));
    await deployment.rabbit.stop();
    for (let job = 0; job < 5; job++) others.add((await submit(deployment.urls[0]!, 'echo', { job })).id);
    await deployment.rabbit.restart();
    const health = async (): Promise<readonly number[]> =>
      Promise.all(deployment.of('worker').map(async ({ url }) => (await fetch(`${url}/healthz`)).status));
    await eventually(health, (all) => all.every((status) => status === 503));
    drill.say('both workers say that they get nothing');
    await Promise.all(controllers.map(() => deployment.add('controller')));
    await eventually(health, (all) => all.every((status) => status === 200));
    goOn();
  },
});
