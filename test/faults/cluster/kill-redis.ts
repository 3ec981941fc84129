/** Redis dies with -9 and comes back with all that it answered for: until then nothing is accepted. */
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault(
  'cluster-kill-redis',
  'what was accepted is there when Redis is back, and nothing half written',
  {
    rounds: { full: 10, quick: 2 },
    checked: true,
    happens: async ({ deployment }) => {
      await deployment.pause(0, 2_000);
      await deployment.redis.kill();
      await deployment.pause(0, 5_000);
      await deployment.redis.restart();
    },
  },
);
