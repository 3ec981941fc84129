/** APIs die with -9 while they answer: clients go to another one, and send again what got no answer. */
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault(
  'cluster-kill-api',
  'what a killed API had accepted runs once, and what it had not is not there twice',
  {
    rounds: { full: 10, quick: 2 },
    happens: async ({ deployment, drill, tellClients }) => {
      await deployment.pause(0, 400);
      for (const api of deployment.of('api')) if (drill.random.chance(0.6)) await api.kill();
      while (deployment.of('api').length < 2) await deployment.add('api');
      tellClients();
    },
  },
);
