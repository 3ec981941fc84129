/** RabbitMQ dies with -9 and comes back with what it has on its disk: until then jobs wait in Redis. */
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault(
  'cluster-kill-rabbitmq',
  'submits are accepted while RabbitMQ is away, and run when it is back',
  {
    rounds: { full: 5, quick: 1 },
    checked: true,
    happens: async ({ deployment, load, drill, hold, goOn }) => {
      await deployment.pause(0, 500);
      hold();
      // A queue of RabbitMQ 3.10 that was made in the seconds before a kill -9 may never answer again.
      await deployment.pause(4_000, 6_000);
      await deployment.rabbit.kill();
      const before = load.accepted.size;
      goOn();
      await eventually(
        () => load.accepted.size,
        (accepted) => accepted > before || accepted === load.total,
      );
      await deployment.pause(0, 8_000);
      drill.say(`away: ${before} jobs accepted before, ${load.accepted.size} now`);
      await deployment.rabbit.restart();
    },
  },
);
