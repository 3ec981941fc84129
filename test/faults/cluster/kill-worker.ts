/** Workers die with -9 in the middle of work; others take their place. */
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-kill-worker', 'what a killed worker ran is run by another', {
  rounds: { full: 10, quick: 2 },
  happens: async ({ deployment, drill }) => {
    await deployment.pause(500, 3_000);
    await drill.random.pick(deployment.of('worker')).kill();
    await deployment.add('worker');
  },
});
