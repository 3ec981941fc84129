/** RabbitMQ loses its disk: all queues and messages are gone, and the records in Redis are there. */
import { clusterFault } from '../deployment/cluster-fault.js';
import { emptyRabbit } from '../deployment/servers.js';

clusterFault('cluster-empty-rabbitmq', 'jobs whose messages are gone are handed out anew', {
  rounds: { full: 3, quick: 1 },
  happens: async ({ deployment }) => {
    await deployment.pause(300, 1_500);
    await deployment.rabbit.stop();
    await emptyRabbit(deployment.rabbit);
    await deployment.rabbit.restart();
    await deployment.pause(0, 8_000);
  },
});
