/** The S3 server dies with -9 and comes back: what needs a blob waits for it or is tried again. */
import { clusterFault } from '../deployment/cluster-fault.js';

clusterFault('cluster-kill-s3', 'no result is lost or half, and submits without blobs go on', {
  s3: true,
  rounds: { full: 8, quick: 2 },
  happens: async ({ deployment }) => {
    await deployment.pause(0, 2_000);
    await deployment.s3!.kill();
    await deployment.pause(0, 5_000);
    await deployment.s3!.restart();
  },
});
