/** RabbitMQ has too little memory and takes no messages (connection.blocked): jobs wait in Redis. */
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault(
  'cluster-blocked',
  'submits are accepted while RabbitMQ takes no messages, and run when it does',
  {
    rounds: { full: 4, quick: 1 },
    happens: async ({ deployment, load, drill, hold, goOn }) => {
      const { rabbit } = deployment;
      await deployment.pause(0, 500);
      hold();
      await rabbit.now.control('set_vm_memory_high_watermark', '0.00001');
      const before = load.accepted.size;
      goOn();
      await eventually(
        () => load.accepted.size,
        (accepted) => accepted > before || accepted === load.total,
      );
      drill.say(`blocked: ${before} jobs accepted before, ${load.accepted.size} now`);
      await deployment.pause(0, 3_000);
      await rabbit.now.control('set_vm_memory_high_watermark', '0.4');
    },
  },
);
