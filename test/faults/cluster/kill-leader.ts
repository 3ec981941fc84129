/** The controller that leads dies with -9: the other takes over, and does again what was half done. */
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-kill-leader', 'another controller leads, and delays, retries and leases go on', {
  rounds: { full: 10, quick: 2 },
  happens: async ({ deployment, drill }) => {
    const leader = await deployment.leader();
    await deployment.pause(0, 2_000);
    await leader.kill();
    await deployment.add('controller');
    const next = await eventually(
      () => deployment.leader(),
      ({ pid }) => pid !== leader.pid,
    );
    drill.say(`controller ${next.pid} leads`);
  },
});
